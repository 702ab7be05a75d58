/* SPDX-License-Identifier: MIT */
/*
 * The fast path in C, and where it goes when it misses.
 *
 * The way down, quarry_alloc(bytes):
 *
 *   1. size -> class, which is a cache id, by one table. Too large: 0, the sentinel.
 *   2. The CPU's magazine of that id: pop. Usually there is an object, and that is all.
 *   3. Empty (the sentinel always is): a batch from the id's transfer cache ...
 *   4. ... or slots of the id's spans, from its central list ...
 *   5. ... or the pages of a new span, from the page heap ...
 *   6. ... or a new arena, from the frame allocator.
 *   7. No memory: reclaim, and steps 3 to 6 once more. Then NULL.
 *
 * A large object goes from 1 to 5. Memory is cleared here, after the object is found.
 *
 * The way back, quarry_free(object):
 *
 *   1. address -> cache id, by the page map. Large, foreign, NULL: 0, the sentinel.
 *   2. The CPU's magazine of that id: push. Usually there is room, and that is all.
 *   3. Full (the sentinel always is): a batch goes to the transfer cache ...
 *   4. ... and what does not fit there to the central list, where each object is checked ...
 *   5. ... and the pages of an empty span to the page heap ...
 *   6. ... and an arena that stays idle to the frame allocator, by the scavenger.
 *
 * An object with id 0 goes from 1 to its kind (mm/pages/object_kind.h).
 *
 * Steps 1 and 2 are the fast path: here, or in the port's assembly. Step 2 is always the port's
 * (quarry_port_pop(), quarry_port_push()): an interrupt handler that allocates must find a whole
 * magazine, and a thread that was moved to another CPU must not touch the old CPU's.
 *
 * Hardening (mm/debug) is at both ends: an object is checked when it is allocated, and again when
 * it is freed, before step 2; from level 1 on it then waits in the quarantine. At level 0 none of
 * this is compiled.
 *
 * Locks, in the order in which they may nest: CPUs, cache creation, guard pages, transfer cache,
 * central list, page heap, metadata pool, frame search, frame moves, frame frontier. On the way
 * down and back two are held at once only where frames are allocated or freed under the lock of a
 * transfer cache, a metadata pool or the page heap, and descriptors under the page heap's lock.
 */
#ifndef MM_API_HEAP_H
#define MM_API_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#include <quarry/config.h>
#include <quarry/quarry.h>

#include <quarry_arch.h>

#include "mm/debug/harden.h"
#include "mm/kinds/small.h"
#include "mm/objects/size_class.h"
#include "mm/pages/page_map.h"

/*
 * What the fast path does not do: an id without a magazine, or a miss. `caller` here and below: the
 * instruction behind the program's call, for reports. Each stops on misuse that it sees.
 */
void *heap_alloc_slow(size_t bytes, unsigned cache_id, unsigned flags, const void *caller);
void heap_free_slow(void *object, unsigned cache_id, const void *caller);

/* What a port's quarry_zeroed() in assembly does not do. */
void *heap_zeroed(size_t bytes);

/* An object that is aligned to more than a page, or is too large for a class. */
void *heap_alloc_large(size_t bytes, size_t alignment, const void *caller);

/* Beside the flags of quarry_alloc_with(): the object must be aligned as its class is. */
#define HEAP_ALIGNED (1u << 31)

/*
 * The caller, in a function of the API and in what is always inlined into one. It is evaluated only
 * where it is used, which is never on the fast path.
 */
#define HEAP_CALLER __builtin_return_address(0)
#define HEAP_INLINE static inline __attribute__((__always_inline__))

/* ---- the fast path ---- */

/* Unless the port has quarry_alloc(), quarry_zeroed() and quarry_free() in assembly, which are for
 * level 0 only. */
#define HEAP_FAST_PATH_IN_C (QUARRY_HARDEN || !QUARRY_PORT_HAS_FAST_PATH)

/* An object of the id (0: large) for a request of `bytes`. */
HEAP_INLINE void *heap_alloc_of(unsigned cache_id, size_t bytes, unsigned flags)
{
    void *object = quarry_port_pop(cache_id);
    if (unlikely(object == NULL))
        object = heap_alloc_slow(bytes, cache_id, flags, HEAP_CALLER);
    return QUARRY_HARDEN ? harden_on_alloc(object, bytes, HEAP_CALLER) : object;
}

HEAP_INLINE void *heap_alloc(size_t bytes, unsigned flags)
{
    return heap_alloc_of(size_class_for(bytes), bytes, flags);
}

/* An object of the id, or anything with id 0. */
HEAP_INLINE void heap_free_of(void *object, unsigned cache_id)
{
    if (unlikely(!quarry_port_push(cache_id, object)))
        heap_free_slow(object, cache_id, HEAP_CALLER);
}

HEAP_INLINE void heap_free(void *object)
{
    unsigned cache_id = page_map_cache_id(object);
#if QUARRY_HARDEN
    if (cache_id != 0) {
        small_free(object, HEAP_CALLER);
        return;
    }
#endif
    heap_free_of(object, cache_id);
}

#endif
