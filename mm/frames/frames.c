/* SPDX-License-Identifier: MIT */
/* The machine's frame nodes: start, and what concerns all of them; see frames.h. */
#include "mm/frames/frames.h"

#include "lib/atomic.h"

struct frames frames;

/* ---- start ---- */

size_t frames_import(const struct quarry_setup *setup)
{
    frames.direct_map = setup->direct_map;
    frames.memory_idle = setup->memory_idle;
    frames.memory_needed = setup->memory_needed;
    frames.reclaim = NULL;
    memory_map_import(&frames.map, setup->regions, setup->region_count);
    return memory_map_end(&frames.map);
}

size_t frames_boot_bytes(size_t end_frame, unsigned cpus)
{
    return frame_allocator_boot_bytes(end_frame, cpus);
}

bool frames_open_boot_memory(struct boot_memory *boot, size_t bytes)
{
    return boot_memory_open(boot, &frames.map, frames.direct_map, bytes);
}

static bool memory_needed(size_t first, size_t count)
{
    return frames.memory_needed(frame_address(first), count * FRAME_BYTES);
}

void frames_init(struct boot_memory *boot, size_t end_frame, unsigned cpus)
{
    struct frame_allocator *allocator = &frames.nodes[0].allocator;
    frame_allocator_init(allocator, &frames.map, end_frame, boot, cpus);
    if (frames.memory_needed != NULL)
        allocator->memory_needed = memory_needed;
    frames.last_frame = (allocator->child_count << CHILD_SHIFT) - 1;
}

void frames_open(void)
{
    frame_allocator_open(&frames.nodes[0].allocator);
}

void frames_set_reclaim(size_t (*reclaim)(size_t run))
{
    frames.reclaim = reclaim;
}

/* ---- all nodes ---- */

void frames_release(size_t first, size_t count, bool report_idle)
{
    if (report_idle && frames.memory_idle != NULL)
        frames.memory_idle(frame_address(first), count * FRAME_BYTES);
    frames_free_range(first, count);
}

void frames_drain(void)
{
    for (unsigned node = 0; node < FRAME_NODES; node++)
        frame_allocator_drain(&frames.nodes[node].allocator);
}

size_t frames_total_count(void)
{
    size_t count = 0;
    for (unsigned node = 0; node < FRAME_NODES; node++)
        count += atomic_load_relaxed(&frames.nodes[node].allocator.total_frames);
    return count;
}

/* A tree that is not ready yet was never used: all of its frames count as free. */
unsigned frames_free_in_block(size_t frame)
{
    const struct frame_allocator *allocator = &frame_node_of(frame)->allocator;
    size_t child = frame >> CHILD_SHIFT;
    if (child >= allocator->child_count)
        return 0;
    if (child / QUARRY_TREE_CHILDREN >= atomic_load_acquire(&allocator->frontier))
        return CHILD_FRAMES;
    return child_free(atomic_load_relaxed(&allocator->children[child]));
}

size_t frames_lost_bytes(void)
{
    return (frames.map.usable.lost_frames + frames.map.reclaimable.lost_frames) * FRAME_BYTES;
}

void frames_verify(void)
{
    for (unsigned node = 0; node < FRAME_NODES; node++)
        frame_allocator_verify(&frames.nodes[node].allocator);
}
