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
 * Steps 1 and 2 are the fast path, in heap.h, or the port's own in assembly. Step 2 is the port's
 * in any case: a handler which allocates must find the stack whole, and a thread that was moved to
 * another CPU must not touch the old one's.
 *
 * Hardening (mm/guard) stands at both ends: an object is checked when it leaves for the program,
 * and again when it comes back, before step 2, where from level 1 on it first waits in quarantine.
 * At level 0 nothing of this is compiled.
 *
 * Locks, in the order in which they may nest: CPUs, guard pages, transfer cache, central list,
 * page heap, metadata pool, frame search, frame moves, frame frontier. On this way none is held
 * while another is taken, but for those of the page heap and below.
 */
#include "mm/api/heap.h"

#include "mm/api/layout.h"
#include <quarry/inline.h>

#include "lib/memory.h"
#include "mm/debug/guard_pages.h"
#include "mm/frames/frame_api.h"
#include "mm/kinds/large.h"
#include "mm/objects/central_list.h"
#include "mm/objects/quarantine.h"
#include "mm/objects/transfer_cache.h"
#include "mm/pages/page_heap.h"
#include "mm/pages/span.h"
#include "mm/reclaim/scavenger.h"

struct heap heap;

/* The fast path of a port may be in assembly. */
_Static_assert(offsetof(struct page_map, direct_map) == LAYOUT_MAP_START, "mm/api/layout.h");
_Static_assert(offsetof(struct page_map, bound) == LAYOUT_MAP_PAGES, "mm/api/layout.h");
_Static_assert(offsetof(struct page_map, cache_ids) == LAYOUT_MAP_CACHE_IDS, "mm/api/layout.h");
_Static_assert(FRAME_SHIFT == LAYOUT_PAGE_SHIFT, "mm/api/layout.h");
_Static_assert(SIZE_CLASS_LOOKUP_BYTES_MAX == LAYOUT_LOOKUP_BYTES_MAX, "mm/api/layout.h");
_Static_assert(SIZE_CLASS_BYTES_MAX == LAYOUT_CLASS_BYTES_MAX, "mm/api/layout.h");
_Static_assert(sizeof(size_class_lookup[0]) == 1, "mm/api/layout.h");

/* ---- allocation ---- */

#if HEAP_FAST_PATH_IN_C
void *quarry_alloc(size_t bytes)
{
    return heap_alloc(bytes, 0);
}

/* A hardened build has classes of its own. */
void *quarry_alloc_of(size_t bytes, size_t size_class)
{
    return heap_alloc_of(QUARRY_HARDEN ? size_class_for(bytes) : (unsigned)size_class, bytes, 0);
}
#endif

HEAP_INLINE void *alloc_with(size_t bytes, unsigned flags)
{
    void *object = heap_alloc(bytes, flags);
    if ((flags & QUARRY_ZEROED) && object != NULL)
        memory_clear(object, bytes);
    return object;
}

void *quarry_alloc_with(size_t bytes, unsigned flags)
{
    return alloc_with(bytes, flags);
}

#if HEAP_FAST_PATH_IN_C
void *quarry_zeroed(size_t bytes)
#else
void *heap_zeroed(size_t bytes)
#endif
{
    return alloc_with(bytes, QUARRY_ZEROED);
}

void *quarry_calloc(size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        return NULL;
    return alloc_with(total, QUARRY_ZEROED);
}

/* What an object must be a multiple of: as its size promises, or its class, which was chosen so. */
static size_t alignment_of(size_t bytes, unsigned size_class, unsigned flags)
{
    size_t slot_bytes = size_classes[size_class].bytes;
    if (flags & HEAP_ALIGNED)
        return min_u64(slot_bytes & -slot_bytes, FRAME_BYTES);
    return size_class_alignment(bytes);
}

/* A miss: the one place where the fast path's allocations are seen, so where some are sampled. */
static void *try_small(size_t bytes, unsigned size_class, unsigned flags, const void *caller)
{
    if (unlikely(guard_pages_due(size_classes[size_class].batch)) &&
        bytes <= GUARD_OBJECT_BYTES_MAX) {
        size_t alignment = alignment_of(bytes, size_class, flags);
        void *guarded = guard_pages_alloc(bytes, alignment, caller);
        if (guarded != NULL)
            return guarded;
    }
    return cpu_cache_alloc_missed(size_class);
}

static void *try_slow(size_t bytes, unsigned size_class, unsigned flags, const void *caller)
{
    return size_class != 0 ? try_small(bytes, size_class, flags, caller)
                           : large_alloc(bytes, 1, caller);
}

__attribute__((__noinline__)) void *heap_alloc_slow(size_t bytes, unsigned size_class,
                                                    unsigned flags, const void *caller)
{
    void *object = try_slow(bytes, size_class, flags, caller);
    if (likely(object != NULL))
        return object;
    heap_reclaim(flags);
    return try_slow(bytes, size_class, flags, caller);
}

void *heap_alloc_large(size_t bytes, size_t alignment, unsigned flags, const void *caller)
{
    void *object = large_alloc(bytes, alignment, caller);
    if (likely(object != NULL))
        return object;
    heap_reclaim(flags);
    return large_alloc(bytes, alignment, caller);
}

/* ---- freeing ---- */

#if HEAP_FAST_PATH_IN_C
void quarry_free(void *object)
{
    heap_free(object);
}

void quarry_free_of(void *object, size_t size_class)
{
    if (QUARRY_HARDEN)
        heap_free(object);
    else
        heap_recycle(object, (unsigned)size_class);
}
#endif

__attribute__((__noinline__)) void heap_free_slow(void *object, unsigned size_class,
                                                  const void *caller)
{
    if (size_class != 0)
        cpu_cache_free_missed(size_class, object);
    else if (object == NULL)
        return;
    else if (unlikely(guard_pages_have(object)))
        guard_pages_free(object, caller);
    else
        large_free(object, caller);
}

#if QUARRY_HARDEN
void heap_free_hardened(void *object, const void *caller)
{
    harden_take_back("free", object, caller);
    void *waited = quarantine_exchange(object);
    if (waited != NULL)
        heap_recycle(waited, page_map_cache_id(waited));
}
#endif

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

/* What the frame allocator calls before it refuses a run: this CPU's cache and idle arenas go back,
 * and only then what breaks up others. */
static size_t release_for_frames(size_t run)
{
    size_t released = cpu_cache_drain_own();
    released += heap_release_idle();
    return released > 0 ? released : page_heap_give_up_free(ARENA_PAGES, run);
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
    cpu_cache_drain_if_idle();
    for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++) {
        transfer_cache_trim(i);
        central_list_drain_if_idle(i);
    }
    return scavenger_step();
}

size_t quarry_scavenge(void)
{
    cpu_cache_drain_own();
    size_t released = heap_release_idle();
    frame_allocator_drain(&frames.allocator);
    return released;
}
