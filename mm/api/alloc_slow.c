/* SPDX-License-Identifier: MIT */
/*
 * Allocation behind the fast path: a miss of the CPU's cache, a large object, a sampled one. When
 * there is no memory, reclaim and one more try. See heap.h.
 */
#include "mm/api/heap.h"
#include "mm/debug/sampler.h"
#include "mm/kinds/large.h"
#include "mm/objects/cpu_cache.h"
#include "mm/reclaim/reclaim.h"

/* A sampled object is not in a slot: it is aligned as its size promises, or its class, which was
 * chosen for its alignment. */
static __attribute__((__noinline__)) size_t small_alignment(const struct object_request *request)
{
    size_t slot_bytes = cache_shapes[request->cache_id].object_bytes;
    if (request->flags & HEAP_ALIGNED)
        return min_u64(slot_bytes & -slot_bytes, FRAME_BYTES);
    return size_class_alignment(request->bytes);
}

/* A miss is where the fast path's allocations are seen, and so where they are sampled. */
static void *alloc_small(const struct object_request *request)
{
    void *object = NULL;
    if (unlikely(sampler_is_due(cache_shapes[request->cache_id].batch)))
        object = sampler.alloc(request, small_alignment(request));
    return object != NULL ? object : cpu_cache_alloc_missed(request->cache_id);
}

static void *try_alloc(const struct object_request *request)
{
    return request->cache_id != 0 ? alloc_small(request) : large_alloc(request);
}

static __attribute__((__noinline__)) void *reclaim_and_retry(const struct object_request *request)
{
    if (request->cache_id == 0 && !large_is_possible(request))
        return NULL;
    reclaim(request->flags & QUARRY_MAY_WAIT ? RECLAIM_MAY_WAIT : RECLAIM_FOR_OBJECT, 1);
    return try_alloc(request);
}

static inline void *alloc_request(const struct object_request *request)
{
    void *object = try_alloc(request);
    return likely(object != NULL) ? object : reclaim_and_retry(request);
}

__attribute__((__noinline__)) void *heap_alloc_slow(size_t bytes, unsigned cache_id, unsigned flags,
                                                    const void *caller)
{
    const struct object_request request = {
        .bytes = bytes, .alignment = 1, .cache_id = cache_id, .flags = flags, .caller = caller};
    return alloc_request(&request);
}

void *heap_alloc_large(size_t bytes, size_t alignment, const void *caller)
{
    const struct object_request request = {.bytes = bytes,
                                           .alignment = alignment,
                                           .caller = caller};
    return alloc_request(&request);
}
