/* SPDX-License-Identifier: MIT */
/*
 * The early allocator: memory for Quarry's own tables, before the frame allocator exists.
 *
 * It takes one block of known size out of the memory map, from the smallest range that is large
 * enough, so that the large ranges stay whole. It allocates pieces of the block one behind the
 * other, and at the end returns the rest to the map in whole frames. Nothing is freed. The caller
 * computes the block's size as a bound beforehand; a request beyond it is a bug and stops.
 *
 * One CPU uses it, during quarry_init() only.
 */
#ifndef MM_FRAMES_BOOT_MEMORY_H
#define MM_FRAMES_BOOT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/frames/memory_map.h"

/* Owned by quarry_init(). start <= at <= end, addresses in the direct map. */
struct boot_memory {
    struct memory_map *map;
    uintptr_t direct_map;
    uintptr_t start;
    uintptr_t at;
    uintptr_t end;
};

/* False, with nothing changed, when no range of usable memory has `bytes`. */
bool boot_memory_open(struct boot_memory *boot, struct memory_map *map, uintptr_t direct_map,
                      size_t bytes);

/* What is allocated begins at a multiple of this: a cache line. */
#define BOOT_MEMORY_ALIGNMENT ((size_t)64)

/* The most that boot_memory_alloc(boot, bytes) takes, alignment included. */
static inline size_t boot_memory_bound(size_t bytes)
{
    return bytes + BOOT_MEMORY_ALIGNMENT;
}

/* `bytes` bytes at a multiple of BOOT_MEMORY_ALIGNMENT, contents undefined. Never NULL. */
void *boot_memory_alloc(struct boot_memory *boot, size_t bytes);

/* The same, cleared. */
void *boot_memory_alloc_cleared(struct boot_memory *boot, size_t bytes);

/* Gives the rest back to the map; returns the bytes in use, whole frames. */
size_t boot_memory_close(struct boot_memory *boot);

#endif
