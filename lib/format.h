/* SPDX-License-Identifier: MIT */
/*
 * Formatted text into a buffer of fixed size: a small subset of snprintf().
 *
 * Supported: %s %c %d %u %x %X %p %%, the flags 0, - and #, a width or `*`, the lengths l, ll and
 * z, and a precision for strings (%.10s). No floating point. It cannot fail: text that does not fit
 * is cut, and the result always ends with a 0. Any context.
 */
#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Without the final 0. */
static inline size_t text_length(const char *text)
{
    size_t length = 0;
    while (text[length] != 0)
        length++;
    return length;
}

/* Whether two texts are equal. */
static inline bool text_equals(const char *left, const char *right)
{
    while (*left != 0 && *left == *right)
        left++, right++;
    return *left == *right;
}

/* Returns the length of the text without the final 0. `capacity_bytes` is 1 or more. */
size_t format_text(char *text, size_t capacity_bytes, const char *format, ...)
    __attribute__((__format__(__printf__, 3, 4)));
size_t format_text_list(char *text, size_t capacity_bytes, const char *format, va_list arguments)
    __attribute__((__format__(__printf__, 3, 0)));

#endif
