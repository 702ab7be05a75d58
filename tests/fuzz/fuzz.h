/* SPDX-License-Identifier: MIT */
/*
 * Fuzz targets. Each turns a string of bytes into a sequence of calls and compares the results with
 * a simple, slow model. A difference fails the test or stops.
 *
 * The targets are used by libFuzzer (fuzz_main.c), by the regression inputs, and by tests that run
 * them on random strings on the host and in the guest.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The object API: objects with sizes, alignment, contents. */
void fuzz_object(const uint8_t *bytes, size_t count);

/* The frame allocator, on memory that does not exist. */
void fuzz_frame(const uint8_t *bytes, size_t count);

/* The import of memory maps. */
void fuzz_map(const uint8_t *bytes, size_t count);

typedef void fuzz_target(const uint8_t *bytes, size_t count);

/* "object", "frame", "map"; NULL for another name. */
fuzz_target *fuzz_find(const char *name);

/* Fills `bytes` with a random string of up to `most` bytes. Returns its length. */
size_t fuzz_random_string(uint8_t *bytes, size_t most, unsigned seed);

/* ---- the calls as C, printed while `fuzz_tracing` is true ---- */

extern bool fuzz_tracing;
void fuzz_print(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

/* Used before the call that it prints, because the call may stop. */
#define FUZZ_TRACE(...)                                                                            \
    do {                                                                                           \
        if (fuzz_tracing)                                                                          \
            fuzz_print(__VA_ARGS__);                                                               \
    } while (0)

/* ---- choices: a string of bytes as a sequence of small numbers ---- */

struct choices {
    const uint8_t *at;
    const uint8_t *end;
};

static inline bool choices_left(const struct choices *choices)
{
    return choices->at < choices->end;
}

/* 0 to bound - 1, from two bytes; 0 at the end of the string. `bound` is 1 to 65536. */
static inline size_t choose(struct choices *choices, size_t bound)
{
    size_t value = 0;
    for (unsigned i = 0; i < 2 && choices->at < choices->end; i++)
        value = value << 8 | *choices->at++;
    return value % bound;
}

#endif
