/* SPDX-License-Identifier: MIT */
/* The public face of the one frame allocator that owns the machine; see quarry/frame.h. */
#include <quarry/frame.h>

#include "lib/atomic.h"
#include "lib/check.h"
#include "mm/frames/frame_api.h"

_Static_assert(QUARRY_FRAME_BYTES == FRAME_BYTES, "the API's frame is ours");
_Static_assert(QUARRY_ORDER_HUGE == CHILD_SHIFT, "the API's huge frame is a child");

struct frames frames;

static size_t try_alloc(unsigned order)
{
    if (order <= QUARRY_ORDER_HUGE)
        return frame_allocator_alloc(&frames.allocator, quarry_port_cpu_number(), order);
    size_t count = (size_t)1 << order;
    return frame_allocator_alloc_range(&frames.allocator, count, count, 0);
}

/* Whether asking again may help: the heap had idle memory and has given it back. */
static bool reclaimed(void)
{
    return frames.reclaim != NULL && frames.reclaim() > 0;
}

uint64_t quarry_frame_alloc(unsigned order)
{
    if (order > QUARRY_ORDER_GIANT)
        return 0;
    size_t frame = try_alloc(order);
    if (unlikely(frame == NO_FRAME) && reclaimed())
        frame = try_alloc(order);
    return frame << FRAME_SHIFT;
}

/* Stops where `physical` is no frame's address. */
static size_t frame_of(uint64_t physical, size_t count)
{
    size_t end_frame = frames.allocator.child_count << CHILD_SHIFT;
    bool sane = physical % FRAME_BYTES == 0 && count <= end_frame &&
                physical >> FRAME_SHIFT <= end_frame - count;
    QUARRY_CHECK(sane, "quarry: bad free of %zu frames at %#lx: no such frames", count,
                 (unsigned long)physical);
    return physical >> FRAME_SHIFT;
}

void quarry_frame_free(uint64_t physical, unsigned order)
{
    QUARRY_CHECK(order <= QUARRY_ORDER_GIANT, "quarry: bad free of the frame at %#lx: order %u",
                 (unsigned long)physical, order);
    if (order > QUARRY_ORDER_HUGE) {
        quarry_frame_free_range(physical, (size_t)1 << order);
        return;
    }
    frame_allocator_free(&frames.allocator, quarry_port_cpu_number(),
                         frame_of(physical, (size_t)1 << order), order);
}

uint64_t quarry_frame_alloc_range(size_t count, uint64_t align_bytes, uint64_t below_bytes)
{
    size_t align = align_bytes == 0 ? 1 : align_bytes >> FRAME_SHIFT;
    bool sane = is_power_of_two(align) && align <= FRAMES_MAX && align_bytes % FRAME_BYTES == 0;
    /* A bound below the first frame's end is a bound that nothing meets. */
    if (!sane || (below_bytes != 0 && below_bytes < 2 * FRAME_BYTES))
        return 0;
    size_t limit = below_bytes >> FRAME_SHIFT;
    size_t first = frame_allocator_alloc_range(&frames.allocator, count, align, limit);
    if (first == NO_FRAME && reclaimed())
        first = frame_allocator_alloc_range(&frames.allocator, count, align, limit);
    return first << FRAME_SHIFT;
}

void quarry_frame_free_range(uint64_t physical, size_t count)
{
    frame_allocator_free_range(&frames.allocator, quarry_port_cpu_number(),
                               frame_of(physical, count), count);
}

size_t quarry_frame_free_count(void)
{
    return frame_allocator_free_count(&frames.allocator);
}

size_t quarry_frame_total_count(void)
{
    return atomic_load_relaxed(&frames.allocator.total_frames);
}

size_t quarry_frame_reclaim_boot_memory(void)
{
    return frame_allocator_reclaim(&frames.allocator, &frames.map);
}
