/* SPDX-License-Identifier: MIT */
/*
 * The four functions that the compiler calls implicitly.
 *
 * GCC and clang require memcpy, memmove, memset and memcmp even in a freestanding program, for
 * example for a structure assignment. This file is for the bare-metal build only; a hosted build
 * has those of its libc. In the linked allocator object they are local, so they do not conflict
 * with the kernel's.
 */
#include <stddef.h>
#include <stdint.h>

#include <quarry_arch.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *at, int value, size_t bytes);
int memcmp(const void *left, const void *right, size_t bytes);

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    quarry_port_copy(to, from, bytes);
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    if ((uintptr_t)to - (uintptr_t)from >= bytes) {
        quarry_port_copy(to, from, bytes);
        return to;
    }
    /* `to` begins inside the source: copy the last byte first. */
    volatile unsigned char *target = to;
    const unsigned char *source = from;
    while (bytes-- > 0)
        target[bytes] = source[bytes];
    return to;
}

void *memset(void *at, int value, size_t bytes)
{
    quarry_port_fill(at, (unsigned char)value, bytes);
    return at;
}

int memcmp(const void *left, const void *right, size_t bytes)
{
    const unsigned char *a = left;
    const unsigned char *b = right;
    for (size_t i = 0; i < bytes; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}
