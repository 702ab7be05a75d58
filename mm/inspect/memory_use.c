/* SPDX-License-Identifier: MIT */
/*
 * What a 2 MiB block of memory is used for, from the two tables that know it for any address at any
 * moment: the frame allocator's count of the block, and the page map's cache id of each page. Both
 * are in boot memory, so they can be read even while quarry_init() builds them.
 */
#include <quarry/stats.h>

#include "mm/frames/frames.h"
#include "mm/pages/page_map.h"

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
    size_t first_page = physical / ARENA_BYTES * ARENA_PAGES;
    return (struct quarry_memory_use){
        .free_frames = frames_free_in_block(first_page),
        .small_frames = small_frames(first_page),
    };
}
