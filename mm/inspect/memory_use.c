/* SPDX-License-Identifier: MIT */
/*
 * What a window of memory is used for, from the two tables that say so for any address at any
 * moment: the frame allocator's count of each 2 MiB, and the page map's byte of each page. Both lie
 * in boot memory, so they are there to be read even while quarry_init() makes them anew.
 */
#include <quarry/report.h>

#include "mm/frames/frame_api.h"
#include "mm/frames/frame_child.h"
#include "mm/pages/page_map.h"

/* Of a tree that was never used all frames are free that there are: said to be all. */
static unsigned free_frames(size_t child)
{
    const struct frame_allocator *allocator = &frames.allocator;
    if (child >= allocator->child_count)
        return 0;
    if (child / QUARRY_TREE_CHILDREN >= atomic_load_acquire(&allocator->frontier))
        return CHILD_FRAMES;
    return child_free(atomic_load_relaxed(&allocator->children[child]));
}

static unsigned small_frames(size_t first_page)
{
    unsigned count = 0;
    if (first_page + ARENA_PAGES > atomic_load_acquire(&page_map.bound))
        return 0;
    for (size_t i = 0; i < ARENA_PAGES; i++)
        count += atomic_load_relaxed(&page_map.cache_ids[first_page + i]) != 0;
    return count;
}

struct quarry_memory_use quarry_memory_use(uint64_t physical)
{
    size_t child = physical / ARENA_BYTES;
    return (struct quarry_memory_use){
        .free_frames = free_frames(child),
        .small_frames = small_frames(child * ARENA_PAGES),
    };
}
