/* SPDX-License-Identifier: MIT */
/*
 * Checks in two grades, and the one way to stop.
 *
 *   CHECK   always compiled in, never on the fast path. When it fails, memory is no longer
 *                  what Quarry believes; going on would spread the damage. So it stops, with a
 *                  report that says what, where and which object.
 *   ASSERT  in debug builds only (QUARRY_DEBUG): what Quarry promises to itself.
 *
 * The third grade, the *_verify() functions, walks whole structures with CHECK.
 *
 * A stop hands the finished text to quarry_port_panic(), which does not return.
 */
#ifndef LIB_CHECK_H
#define LIB_CHECK_H

#include <quarry/config.h>

#include "lib/bits.h"

/* Stops with the text formatted as format.h says. Any context; does not return. */
_Noreturn void stop_with(const char *format, ...)
    __attribute__((__format__(__printf__, 1, 2), __cold__));

/* The same for a report that is put together of parts: begin, add, stop. Whoever begins while
 * another report is being made stops at once. */
void report_begin(void);
void report_add(const char *format, ...) __attribute__((__format__(__printf__, 1, 2), __cold__));
_Noreturn void report_stop(void);

/* Forgets that there was a stop: for quarry_init(), which starts everything afresh. */
void stop_forget(void);

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (unlikely(!(condition)))                                                                \
            stop_with(__VA_ARGS__);                                                                \
    } while (0)

#if QUARRY_DEBUG
#define ASSERT(condition)                                                                          \
    CHECK(condition, "quarry: assertion failed: %s, %s:%d", #condition, __FILE__, __LINE__)
#else
#define ASSERT(condition) ((void)sizeof(condition))
#endif

#endif
