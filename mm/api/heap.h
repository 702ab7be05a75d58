/* SPDX-License-Identifier: MIT */
/* What the files at the top of mm/ share; the theory is in heap.c. */
#ifndef MM_HEAP_H
#define MM_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#include <quarry/config.h>
#include <quarry/quarry.h>

#include "mm/debug/harden.h"
#include "mm/objects/cpu_cache.h"
#include "mm/pages/page_map.h"

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

/*
 * The way of all that the fast path does not do, from class 0 or after a miss. `caller` here and
 * below: the instruction behind the program's call, for reports.
 */
void *heap_alloc_slow(size_t bytes, unsigned size_class, unsigned flags, const void *caller);
void heap_free_slow(void *object, unsigned size_class, const void *caller);

/* What a port's quarry_zeroed() in assembly leaves to be done; only there where the port has one.
 */
void *heap_zeroed(size_t bytes);

/* From level 1 of hardening on: the way of every small object that is freed. */
void heap_free_hardened(void *object, const void *caller);

/* Aligned beyond what the size gives, or too large for a class. */
void *heap_alloc_large(size_t bytes, size_t alignment, unsigned flags, const void *caller);

/* Beside the flags of quarry_alloc_with(): the object must be aligned as its class is. */
#define HEAP_ALIGNED (1u << 31)

/*
 * The caller, in a function of the API and in what is always inlined into one: so it is looked up
 * only where it is wanted, which is never on the fast path.
 */
#define HEAP_CALLER __builtin_return_address(0)
#define HEAP_INLINE static inline __attribute__((__always_inline__))

/* ---- the fast path; see heap.c ---- */

/* Unless the port has quarry_alloc(), quarry_zeroed() and quarry_free() in assembly, which it has
 * for level 0 only. */
#define HEAP_FAST_PATH_IN_C (QUARRY_HARDEN || !QUARRY_PORT_HAS_FAST_PATH)

/* An object of the class (0: large) for a request of `bytes`. */
HEAP_INLINE void *heap_alloc_of(unsigned size_class, size_t bytes, unsigned flags)
{
    void *object = quarry_port_pop(size_class);
    if (unlikely(object == NULL))
        object = heap_alloc_slow(bytes, size_class, flags, HEAP_CALLER);
    return QUARRY_HARDEN ? harden_hand_out(object, bytes, HEAP_CALLER) : object;
}

HEAP_INLINE void *heap_alloc(size_t bytes, unsigned flags)
{
    return heap_alloc_of(size_class_for(bytes), bytes, flags);
}

/* A small object that is nobody's any more, or anything of class 0. */
HEAP_INLINE void heap_recycle(void *object, unsigned size_class)
{
    if (unlikely(!quarry_port_push(size_class, object)))
        heap_free_slow(object, size_class, HEAP_CALLER);
}

HEAP_INLINE void heap_free(void *object)
{
    unsigned size_class = page_map_cache_id(object);
    if (QUARRY_HARDEN && size_class != 0)
        heap_free_hardened(object, HEAP_CALLER);
    else
        heap_recycle(object, size_class);
}

#endif
