/* SPDX-License-Identifier: MIT */
/* What the files at the top of mm/ share; the theory is in heap.c. */
#ifndef MM_HEAP_H
#define MM_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#include <quarry/quarry.h>

/* Written by quarry_init() only. */
struct heap {
    void (*interrupt_cpu)(unsigned cpu); /* NULL: the port has none */
    size_t boot_bytes;
};

extern struct heap heap;

/*
 * Memory is gone. Gathers what this CPU's cache and the shared caches hold and gives idle arenas
 * back; with QUARRY_MAY_WAIT among `flags` asks the other CPUs' caches too. Afterwards one more
 * try is worth while.
 */
void heap_reclaim(unsigned flags);

/* Shared caches and idle arenas, back to the frame allocator; returns the frames. */
size_t heap_release_idle(void);

/* From now on the frame allocator asks the heap for its idle memory before it refuses. */
void heap_offer_idle_memory(void);

/* The way of all that the fast path does not do, from class 0 or after a miss. */
void *heap_alloc_slow(size_t bytes, unsigned size_class, unsigned flags);
void heap_free_slow(void *object, unsigned size_class);

/* Aligned beyond what the size gives, or too large for a class. */
void *heap_alloc_large(size_t bytes, size_t alignment, unsigned flags);

#endif
