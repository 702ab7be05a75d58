/* SPDX-License-Identifier: MIT */
/*
 * Copying and clearing, under names that do not collide with a libc. The port implements them
 * (quarry/port.h).
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
