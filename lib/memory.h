/* SPDX-License-Identifier: MIT */
/*
 * Copying and clearing, under names that collide with nobody's libc.
 *
 * The byte loops are the compiler's to widen; the port's own string instructions would be faster
 * for large blocks, and quarry_arch.h offers them as quarry_port_copy() and quarry_port_clear().
 */
#ifndef LIB_MEMORY_H
#define LIB_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include <quarry_arch.h>

static inline void memory_copy(void *to, const void *from, size_t bytes)
{
    quarry_port_copy(to, from, bytes);
}

static inline void memory_clear(void *at, size_t bytes)
{
    quarry_port_clear(at, bytes);
}

#endif
