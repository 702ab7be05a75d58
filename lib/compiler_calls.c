/* SPDX-License-Identifier: MIT */
/*
 * The four functions that a compiler may call without being asked.
 *
 * GCC and clang expect memcpy, memmove, memset and memcmp even of a freestanding program, for a
 * structure assignment, say. They are defined here for the bare-metal build alone; a hosted build
 * has its libc's. In the linked allocator object they are local, so they meet no kernel's own.
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
    /* `to` lies inside `from`: last byte first. */
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
