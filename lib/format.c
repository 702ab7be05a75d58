/* SPDX-License-Identifier: MIT */
/* Text from values; see format.h. */
#include "lib/format.h"

#include <stdint.h>

/* The output buffer. Invariant: at + 1 <= capacity. */
struct sink {
    char *text;
    size_t at;
    size_t capacity;
};

/* One conversion, as read from the format. */
struct conversion {
    bool left;
    bool zeros;
    bool prefix; /* 0x before hexadecimal digits */
    size_t width;
    size_t precision; /* SIZE_MAX: none */
    unsigned longs;   /* number of l; z counts as 2 */
};

static void put(struct sink *sink, char c)
{
    if (sink->at + 1 < sink->capacity)
        sink->text[sink->at++] = c;
}

static void put_repeated(struct sink *sink, char c, size_t count)
{
    /* Stop at the end of the buffer: the width may be very large. */
    for (size_t i = 0; i < count && sink->at + 1 < sink->capacity; i++)
        put(sink, c);
}

static void put_padded(struct sink *sink, const struct conversion *how, const char *text,
                       size_t length, bool negative)
{
    size_t shown = length + negative;
    size_t padding = how->width > shown ? how->width - shown : 0;
    bool zeros = how->zeros && !how->left;
    if (!how->left && !zeros)
        put_repeated(sink, ' ', padding);
    if (negative)
        put(sink, '-');
    if (zeros)
        put_repeated(sink, '0', padding);
    for (size_t i = 0; i < length; i++)
        put(sink, text[i]);
    if (how->left)
        put_repeated(sink, ' ', padding);
}

static void put_string(struct sink *sink, struct conversion *how, const char *text)
{
    if (text == NULL)
        text = "(null)";
    size_t length = 0;
    while (length < how->precision && text[length] != 0)
        length++;
    how->zeros = false;
    put_padded(sink, how, text, length, false);
}

static void put_number(struct sink *sink, const struct conversion *how, uint64_t value,
                       unsigned base, bool negative, bool capitals)
{
    const char *digits = capitals ? "0123456789ABCDEF" : "0123456789abcdef";
    char reversed[20];
    char text[20];
    size_t length = 0;
    do {
        reversed[length++] = digits[value % base];
        value /= base;
    } while (value != 0);
    for (size_t i = 0; i < length; i++)
        text[i] = reversed[length - 1 - i];
    put_padded(sink, how, text, length, negative);
}

/* The prefix does not count into the width. No caller uses both. */
static void put_unsigned(struct sink *sink, const struct conversion *how, char letter,
                         uint64_t value)
{
    if (how->prefix && letter != 'u') {
        put(sink, '0');
        put(sink, letter);
    }
    put_number(sink, how, value, letter == 'u' ? 10 : 16, false, letter == 'X');
}

static void put_pointer(struct sink *sink, uint64_t value)
{
    struct conversion sixteen_digits = {.zeros = true, .width = 16};
    put(sink, '0');
    put(sink, 'x');
    put_number(sink, &sixteen_digits, value, 16, false, false);
}

static size_t read_number(const char **at)
{
    size_t number = 0;
    while (**at >= '0' && **at <= '9')
        number = number * 10 + (size_t)(*(*at)++ - '0');
    return number;
}

/* `*at` points behind the percent sign; on return, at the conversion's letter. */
static struct conversion read_conversion(const char **at, va_list *arguments)
{
    struct conversion how = {.precision = SIZE_MAX};
    for (; **at == '-' || **at == '0' || **at == '#'; (*at)++) {
        how.left = how.left || **at == '-';
        how.zeros = how.zeros || **at == '0';
        how.prefix = how.prefix || **at == '#';
    }
    if (**at == '*') {
        int width = va_arg(*arguments, int);
        how.width = width > 0 ? (size_t)width : 0;
        (*at)++;
    } else {
        how.width = read_number(at);
    }
    if (**at == '.') {
        (*at)++;
        how.precision = read_number(at);
    }
    for (; **at == 'l' || **at == 'z'; (*at)++)
        how.longs += **at == 'z' ? 2 : 1;
    return how;
}

static void convert(struct sink *sink, char letter, struct conversion *how, va_list *arguments)
{
    switch (letter) {
    case 's':
        put_string(sink, how, va_arg(*arguments, const char *));
        break;
    case 'c': {
        char c = (char)va_arg(*arguments, int);
        put_padded(sink, how, &c, 1, false);
        break;
    }
    case 'd': {
        int64_t value = how->longs ? va_arg(*arguments, long) : va_arg(*arguments, int);
        uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
        put_number(sink, how, magnitude, 10, value < 0, false);
        break;
    }
    case 'u':
    case 'x':
    case 'X': {
        uint64_t value =
            how->longs ? va_arg(*arguments, unsigned long) : va_arg(*arguments, unsigned int);
        put_unsigned(sink, how, letter, value);
        break;
    }
    case 'p':
        put_pointer(sink, (uintptr_t)va_arg(*arguments, void *));
        break;
    default: /* a percent sign or an unknown letter: print it */
        put(sink, letter);
        break;
    }
}

size_t format_text_list(char *text, size_t capacity_bytes, const char *format, va_list arguments)
{
    struct sink sink = {.text = text, .capacity = capacity_bytes};
    va_list list; /* a copy, because a va_list parameter may be an array type and decay */
    va_copy(list, arguments);
    for (const char *at = format; *at != 0; at++) {
        if (*at != '%') {
            put(&sink, *at);
            continue;
        }
        at++;
        struct conversion how = read_conversion(&at, &list);
        if (*at == 0)
            break;
        convert(&sink, *at, &how, &list);
    }
    va_end(list);
    sink.text[sink.at] = 0;
    return sink.at;
}

size_t format_text(char *text, size_t capacity_bytes, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_text_list(text, capacity_bytes, format, arguments);
    va_end(arguments);
    return length;
}
