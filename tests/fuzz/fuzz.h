/* SPDX-License-Identifier: MIT */
/*
 * Fuzz targets: each turns a string of bytes into a program of calls and runs it beside a model
 * that is plain, slow and obviously right. A difference fails the test, or stops.
 *
 * The same targets serve libFuzzer (fuzz_main.c), the regression inputs, and a test that feeds
 * them random strings on the host and in the guest.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The object API: objects with sizes, alignment, contents. */
void fuzz_object(const uint8_t *bytes, size_t count);

/* The frame allocator, over memory that is not there. */
void fuzz_frame(const uint8_t *bytes, size_t count);

/* The import of memory maps. */
void fuzz_map(const uint8_t *bytes, size_t count);

typedef void fuzz_target(const uint8_t *bytes, size_t count);

/* "object", "frame", "map"; NULL for another name. */
fuzz_target *fuzz_find(const char *name);

/* Fills `bytes` with a random string of up to `most` bytes, and returns its length. */
size_t fuzz_random_string(uint8_t *bytes, size_t most, unsigned seed);

/* ---- what a string means, as C: printed while `fuzz_tracing` is true ---- */

extern bool fuzz_tracing;
void fuzz_print(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

/* Before the call that it tells of: that may be the last. */
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

/* 0 to bound - 1, from two bytes; 0 when the string is used up. `bound` is 1 to 65536. */
static inline size_t choose(struct choices *choices, size_t bound)
{
    size_t value = 0;
    for (unsigned i = 0; i < 2 && choices->at < choices->end; i++)
        value = value << 8 | *choices->at++;
    return value % bound;
}

#endif
