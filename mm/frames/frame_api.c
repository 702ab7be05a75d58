/* SPDX-License-Identifier: MIT */
/*
 * The public functions for frames; see quarry/frame.h.
 *
 * A request goes to the CPU's frame cache (order 0), to the allocator, and then to `reclaim` as
 * long as that frees something.
 */
#include <quarry/frame.h>

#include "lib/atomic.h"
#include "lib/check.h"
#include "mm/frames/frame_cache.h"
#include "mm/frames/frames.h"

_Static_assert(QUARRY_FRAME_BYTES == FRAME_BYTES, "a public frame is a frame");
_Static_assert(QUARRY_ORDER_HUGE == CHILD_SHIFT, "a public huge frame is a child");

/* Unless the port has quarry_frame_alloc() and quarry_frame_free() in assembly. */
#define FRAME_FAST_PATH_IN_C (QUARRY_HARDEN || !QUARRY_PORT_HAS_FAST_PATH)

static uint64_t try_alloc(unsigned order)
{
    if (order == 0)
        return frame_cache_alloc_missed();
    if (order <= QUARRY_ORDER_HUGE)
        return frames_alloc(frame_node_here(), order) << FRAME_SHIFT;
    size_t count = (size_t)1 << order;
    return frames_alloc_range(frame_node_here(), count, count, 0) << FRAME_SHIFT;
}

/* Whether the heap freed memory, so that a second try may succeed. It keeps its memory if the
 * machine does not have as many frames. */
static bool reclaimed(size_t run)
{
    return run <= frames_total_count() && frames.reclaim != NULL && frames.reclaim(run) > 0;
}

__attribute__((__noinline__)) uint64_t frame_alloc_slow(unsigned order)
{
    if (order > QUARRY_ORDER_GIANT)
        return 0;
    uint64_t physical = try_alloc(order);
    while (unlikely(physical == 0) && reclaimed((size_t)1 << order))
        physical = try_alloc(order);
    return physical;
}

#if FRAME_FAST_PATH_IN_C
uint64_t quarry_frame_alloc(unsigned order)
{
    if (order == 0 && frame_cache_is_there()) {
        void *frame = quarry_port_pop(FRAME_MAGAZINE);
        if (likely(frame != NULL))
            return (uintptr_t)frame;
    }
    return frame_alloc_slow(order);
}
#endif

/* Stops unless `physical` is the address of the first of `count` frames. */
static size_t frame_of(uint64_t physical, size_t count)
{
    size_t end_frame = frames.last_frame + 1;
    bool sane = physical % FRAME_BYTES == 0 && count <= end_frame &&
                physical >> FRAME_SHIFT <= end_frame - count;
    CHECK(sane, "quarry: bad free of %zu frames at %#lx: no such frames", count,
          (unsigned long)physical);
    return physical >> FRAME_SHIFT;
}

__attribute__((__noinline__)) void frame_free_slow(uint64_t physical, unsigned order)
{
    CHECK(order <= QUARRY_ORDER_GIANT, "quarry: bad free of the frame at %#lx: order %u",
          (unsigned long)physical, order);
    if (order > QUARRY_ORDER_HUGE) {
        quarry_frame_free_range(physical, (size_t)1 << order);
        return;
    }
    size_t frame = frame_of(physical, (size_t)1 << order);
    if (order == 0 && frame_cache_is_there())
        frame_cache_free_missed(physical);
    else
        frames_free(frame, order);
}

#if FRAME_FAST_PATH_IN_C
/* Only the address of a frame may enter the cache. */
static bool may_be_cached(uint64_t physical)
{
    return physical % FRAME_BYTES == 0 && (physical >> FRAME_SHIFT) - 1 < frames.last_frame;
}

void quarry_frame_free(uint64_t physical, unsigned order)
{
    if (order == 0 && likely(may_be_cached(physical)) && frame_cache_is_there() &&
        likely(quarry_port_push(FRAME_MAGAZINE, (void *)physical)))
        return;
    frame_free_slow(physical, order);
}
#endif

uint64_t quarry_frame_alloc_range(size_t count, uint64_t align_bytes, uint64_t below_bytes)
{
    size_t align = align_bytes == 0 ? 1 : align_bytes >> FRAME_SHIFT;
    bool sane = count > 0 && is_power_of_two(align) && align <= FRAMES_MAX &&
                align_bytes % FRAME_BYTES == 0;
    /* A bound below the first frame's end is a bound that nothing meets. */
    if (!sane || (below_bytes != 0 && below_bytes < 2 * FRAME_BYTES))
        return 0;
    size_t limit = below_bytes >> FRAME_SHIFT;
    size_t first = frames_alloc_range(frame_node_here(), count, align, limit);
    while (first == NO_FRAME && reclaimed(count))
        first = frames_alloc_range(frame_node_here(), count, align, limit);
    return first << FRAME_SHIFT;
}

void quarry_frame_free_range(uint64_t physical, size_t count)
{
    frames_free_range(frame_of(physical, count), count);
}

size_t quarry_frame_free_count(void)
{
    size_t count = frame_caches_held();
    for (unsigned node = 0; node < FRAME_NODES; node++)
        count += frame_allocator_free_count(&frames.nodes[node].allocator);
    return count;
}

size_t quarry_frame_total_count(void)
{
    return frames_total_count();
}

size_t quarry_frame_reclaim_boot_memory(void)
{
    return frame_allocator_reclaim(&frames.nodes[0].allocator, &frames.map);
}
