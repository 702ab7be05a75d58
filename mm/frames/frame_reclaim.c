/* SPDX-License-Identifier: MIT */
/*
 * Memory that becomes usable after the start: what the boot loader still used then.
 *
 * The reclaimable ranges are marked as usable first, so a tree that becomes ready meanwhile takes
 * them in when it is built. Ranges in trees that are ready already are freed like any other frames.
 * Both happen under frontier_lock, which keeps the frontier where it is. See frame_allocator.h.
 */
#include "lib/atomic.h"
#include "mm/frames/frame_allocator.h"

/* Children that are whole with this range lose CHILD_HOLES: they can be huge frames from now on. */
static void forget_holes(struct frame_allocator *allocator, size_t first, size_t end)
{
    for (size_t at = round_down(first, CHILD_FRAMES); at < end; at += CHILD_FRAMES)
        if (memory_map_owns(allocator->map, at, at + CHILD_FRAMES))
            atomic_fetch_and(&allocator->children[at >> CHILD_SHIFT], (child_entry)~CHILD_HOLES);
}

/* Frees the part of a reclaimable range whose trees are ready; returns its frames. */
static size_t release_ready(struct frame_allocator *allocator, const struct frame_range *range)
{
    size_t ready_end = allocator->frontier * TREE_FRAMES;
    size_t end = min_u64(range->end, ready_end);
    if (range->first >= end)
        return 0;
    frame_allocator_free_range(allocator, quarry_port_cpu_number(), range->first,
                               end - range->first);
    forget_holes(allocator, range->first, end);
    return end - range->first;
}

size_t frame_allocator_reclaim(struct frame_allocator *allocator, struct memory_map *map)
{
    irq_state irq = spinlock_acquire(&allocator->frontier_lock);
    size_t gained = 0;
    size_t released = 0;
    if (!map->reclaimed) {
        atomic_store_release(&map->reclaimed, true);
        for (unsigned i = 0; i < map->reclaimable.count; i++)
            released += release_ready(allocator, &map->reclaimable.range[i]);
        gained = range_set_count_frames(&map->reclaimable);
        atomic_store_relaxed(&allocator->pending_frames,
                             allocator->pending_frames + gained - released);
        atomic_store_relaxed(&allocator->total_frames, allocator->total_frames + gained);
    }
    spinlock_release(&allocator->frontier_lock, irq);
    return gained;
}
