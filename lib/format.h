/* SPDX-License-Identifier: MIT */
/*
 * Text from values, into a buffer of fixed size: the printf family's little cousin.
 *
 * Understood: %s %c %d %u %x %X %p %%, the flags 0, - and #, a width or `*`,
 * and the lengths l, ll and z. Nothing else: no floats, no precision but for strings (%.10s). It
 * cannot fail: what does not fit is cut, and the text always ends with a 0. Any context.
 */
#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether two texts are the same. */
static inline bool text_equals(const char *left, const char *right)
{
    while (*left != 0 && *left == *right)
        left++, right++;
    return *left == *right;
}

/* Returns the length written, without the final 0: always less than `capacity_bytes` (1 or more).
 */
size_t format_text(char *text, size_t capacity_bytes, const char *format, ...)
    __attribute__((__format__(__printf__, 3, 4)));
size_t format_text_list(char *text, size_t capacity_bytes, const char *format, va_list arguments)
    __attribute__((__format__(__printf__, 3, 0)));

#endif
