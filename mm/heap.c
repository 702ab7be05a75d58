/* SPDX-License-Identifier: MIT */
/*
 * The front door: allocation and freeing.
 *
 * The way down, quarry_alloc(bytes):
 *
 *   1. size -> class, by one table. Too large: class 0, the door.
 *   2. The CPU's stack of that class: pop. Nearly always there is an object, and that is all.
 *   3. Empty (class 0 always is): a batch from the class's transfer cache ...
 *   4. ... or slots of the class's spans, from its central list ...
 *   5. ... or a new span's pages, from the page heap ...
 *   6. ... or a new arena, from the frame allocator.
 *   7. No memory: what caches and idle arenas hold is gathered and the way is gone once more.
 *      Then NULL.
 *
 * A large object goes from 1 to 5 at once. Zeroing is done here, after the object is found.
 *
 * The way back, quarry_free(object), runs the same road:
 *
 *   1. address -> class, by the page map's byte. Large, foreign, NULL: class 0.
 *   2. The CPU's stack of that class: push. Nearly always there is room, and that is all.
 *   3. Full (class 0 always is): a batch goes to the transfer cache ...
 *   4. ... and what does not fit there to the central list, where each object is checked and its
 *      slot's bit cleared ...
 *   5. ... and an empty span's pages to the page heap ...
 *   6. ... and an arena that stays idle, by the scavenger, to the frame allocator.
 *
 * Steps 1 and 2 are the fast path, in this file. It masks interrupts for the length of step 2, so
 * that a handler which allocates finds the stack whole, and the thread stays on its CPU.
 *
 * Locks, in the order in which they may nest: CPUs, transfer cache, central list, page heap,
 * metadata pool, frame search, frame moves, frame frontier. On this way none is held while another
 * is taken, but for those of the page heap and below.
 */
#include "mm/heap.h"

#include "lib/memory.h"
#include "mm/frames/frame_api.h"
#include "mm/objects/central_list.h"
#include "mm/objects/cpu_cache.h"
#include "mm/objects/transfer_cache.h"
#include "mm/pages/large.h"
#include "mm/pages/page_heap.h"
#include "mm/pages/scavenger.h"
#include "mm/pages/span.h"

struct heap heap;

/* ---- the fast path ---- */

static inline void *alloc(size_t bytes, unsigned flags)
{
    unsigned size_class = size_class_of(bytes);
    uintptr_t irq = quarry_port_irq_save();
    void *object = cpu_cache_pop(quarry_port_cpu_cache(), size_class);
    quarry_port_irq_restore(irq);
    if (unlikely(object == NULL))
        return heap_alloc_slow(bytes, size_class, flags);
    return object;
}

void *quarry_alloc(size_t bytes)
{
    return alloc(bytes, 0);
}

void quarry_free(void *object)
{
    unsigned size_class = page_map_class(object);
    uintptr_t irq = quarry_port_irq_save();
    bool pushed = cpu_cache_push(quarry_port_cpu_cache(), size_class, object);
    quarry_port_irq_restore(irq);
    if (unlikely(!pushed))
        heap_free_slow(object, size_class);
}

/* ---- the slow path ---- */

static void *try_slow(size_t bytes, unsigned size_class)
{
    return size_class != 0 ? cpu_cache_alloc_missed(size_class) : large_alloc(bytes, 1);
}

__attribute__((noinline)) void *heap_alloc_slow(size_t bytes, unsigned size_class, unsigned flags)
{
    void *object = try_slow(bytes, size_class);
    if (likely(object != NULL))
        return object;
    heap_reclaim(flags);
    return try_slow(bytes, size_class);
}

void *heap_alloc_large(size_t bytes, size_t alignment, unsigned flags)
{
    void *object = large_alloc(bytes, alignment);
    if (likely(object != NULL))
        return object;
    heap_reclaim(flags);
    return large_alloc(bytes, alignment);
}

__attribute__((noinline)) void heap_free_slow(void *object, unsigned size_class)
{
    if (size_class != 0)
        cpu_cache_free_missed(size_class, object);
    else if (object != NULL)
        large_free(object);
}

/* ---- with flags, and zeroed ---- */

void *quarry_alloc_with(size_t bytes, unsigned flags)
{
    void *object = alloc(bytes, flags);
    if ((flags & QUARRY_ZEROED) && object != NULL)
        memory_clear(object, bytes);
    return object;
}

void *quarry_zeroed(size_t bytes)
{
    return quarry_alloc_with(bytes, QUARRY_ZEROED);
}

void *quarry_calloc(size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        return NULL;
    return quarry_zeroed(total);
}

/* ---- when memory is gone ---- */

size_t heap_release_idle(void)
{
    for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++) {
        transfer_cache_drain(i);
        central_list_drain(i);
    }
    size_t released = scavenger_release_all();
    span_drain_pools();
    return released;
}

/* With this CPU's cache: what the frame allocator calls before it refuses. */
static size_t release_for_frames(void)
{
    cpu_cache_drain_own();
    return heap_release_idle();
}

void heap_offer_idle_memory(void)
{
    frames.reclaim = release_for_frames;
}

void heap_reclaim(unsigned flags)
{
    if (flags & QUARRY_MAY_WAIT)
        quarry_drain();
    else
        cpu_cache_drain_own();
    heap_release_idle();
}

size_t quarry_scavenge_step(void)
{
    return scavenger_step();
}

size_t quarry_scavenge(void)
{
    size_t released = release_for_frames();
    frame_allocator_drain(&frames.allocator);
    return released;
}
