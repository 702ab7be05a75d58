/* SPDX-License-Identifier: MIT */
/*
 * Copy, fill and clear for every machine, by the compiler's builtins. A <quarry_arch.h> that has no
 * faster form includes this file after its own functions; see quarry/port.h.
 *
 * The builtins may become calls of memcpy() and memset(), which the program must have. A build with
 * lib/compiler_calls.c, which defines these two by the functions below, needs a port of its own.
 */
#ifndef QUARRY_MEMORY_H
#define QUARRY_MEMORY_H

#include <stddef.h>

#define QUARRY_PORT_HAS_MEMORY 0

static inline void quarry_port_copy(void *to, const void *from, size_t bytes)
{
    __builtin_memcpy(to, from, bytes);
}

static inline void quarry_port_fill(void *at, unsigned char value, size_t bytes)
{
    __builtin_memset(at, value, bytes);
}

static inline void quarry_port_clear(void *at, size_t bytes)
{
    __builtin_memset(at, 0, bytes);
}

#endif
