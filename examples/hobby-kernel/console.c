/* SPDX-License-Identifier: MIT */
/* Text on the first serial line; panic(); the memory functions that compilers require. */
#include <stdarg.h>

#include "io.h"
#include "kernel.h"

#define COM1 0x3f8

static struct spinlock lock;

static void put(char byte)
{
    if (byte == '\n')
        put('\r');
    for (unsigned i = 0; i < 100000 && !(in8(COM1 + 5) & 0x20); i++)
        continue;
    out8(COM1, (uint8_t)byte);
}

static void put_text(const char *text)
{
    while (*text != '\0')
        put(*text++);
}

static void put_number(unsigned long value, unsigned base)
{
    char digits[24];
    unsigned count = 0;
    do
        digits[count++] = "0123456789abcdef"[value % base];
    while ((value /= base) > 0);
    while (count > 0)
        put(digits[--count]);
}

static void print_with(const char *format, va_list values)
{
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        bool is_long = *++format == 'l';
        format += is_long;
        if (*format == 's')
            put_text(va_arg(values, const char *));
        else
            put_number(is_long ? va_arg(values, unsigned long) : va_arg(values, unsigned),
                       *format == 'x' ? 16 : 10);
    }
}

void print(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    uint64_t flags = spinlock_acquire(&lock);
    print_with(format, values);
    spinlock_release(&lock, flags);
    va_end(values);
}

/* Acquires no lock: the code that panics may hold it. */
void panic(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    irq_save();
    put_text("panic: ");
    print_with(format, values);
    put('\n');
    va_end(values);
    machine_off(1);
    for (;;)
        __asm__ volatile("hlt");
}

void *memcpy(void *to, const void *from, size_t bytes)
{
    void *start = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
    return start;
}

void *memset(void *at, int byte, size_t bytes)
{
    void *start = at;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(byte) : "memory");
    return start;
}

int memcmp(const void *one, const void *other, size_t bytes)
{
    const unsigned char *a = one, *b = other;
    for (size_t i = 0; i < bytes; i++)
        if (a[i] != b[i])
            return a[i] - b[i];
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0')
        length++;
    return length;
}
