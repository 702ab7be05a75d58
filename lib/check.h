/* SPDX-License-Identifier: MIT */
/*
 * Checks of two grades, and stopping with a report.
 *
 *   CHECK   always compiled in, never on the fast path. A failed check means that Quarry's data is
 *           corrupted, and continuing would spread the damage. So it stops with a report that says
 *           what is wrong, where, and with which object.
 *   ASSERT  in debug builds only (QUARRY_DEBUG): internal invariants.
 *
 * The third grade is the *_verify() functions, which check whole structures with CHECK.
 *
 * A stop passes the finished report to quarry_port_panic(), which does not return.
 */
#ifndef LIB_CHECK_H
#define LIB_CHECK_H

#include <quarry/config.h>

#include "lib/bits.h"

/* Stops with a report, formatted as in format.h. Any context; does not return. */
_Noreturn void stop_with(const char *format, ...)
    __attribute__((__format__(__printf__, 1, 2), __cold__));

/* The same for a report in several parts: begin, add, stop. If another report has begun already,
 * report_begin() stops at once. */
void report_begin(void);
void report_add(const char *format, ...) __attribute__((__format__(__printf__, 1, 2), __cold__));
_Noreturn void report_stop(void);

/* Resets the state of a stop, for quarry_init(). */
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
