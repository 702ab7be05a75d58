/* SPDX-License-Identifier: MIT */
/* The page map's upkeep; see page_map.h. */
#include "mm/pages/page_map.h"

#include "lib/check.h"
#include "lib/memory.h"
#include "mm/frames/boot_memory.h"

struct page_map page_map;

/* The part of the map that is cleared at the start: 128 MiB. The first 64 MiB are allocated last,
 * because old devices need them; so the first arenas lie in the second 64 MiB, and the first
 * allocation does not wait for the map. */
#define EXTENDED_AT_FIRST ((size_t)1 << (27 - FRAME_SHIFT))

size_t page_map_boot_bytes(size_t end_frame)
{
    size_t pages = round_up(end_frame, ARENA_PAGES);
    return boot_memory_bound(pages * sizeof(uint16_t)) +
           boot_memory_bound(pages / ARENA_PAGES * sizeof(struct arena *));
}

void page_map_init(struct boot_memory *boot, uintptr_t direct_map, size_t end_frame)
{
    size_t pages = round_up(end_frame, ARENA_PAGES);
    page_map.direct_map = direct_map;
    page_map.bound = 0;
    page_map.capacity = pages;
    page_map.cache_ids = boot_memory_alloc(boot, pages * sizeof(uint16_t));
    page_map.arenas = boot_memory_alloc(boot, pages / ARENA_PAGES * sizeof(struct arena *));
    page_map_extend(min_u64(pages, EXTENDED_AT_FIRST));
}

void page_map_extend(size_t end_page)
{
    size_t old = page_map.bound;
    size_t bound = round_up(end_page, ARENA_PAGES);
    CHECK(bound <= page_map.capacity, "quarry: page %zu is beyond the page map of %zu", end_page,
          page_map.capacity);
    if (bound <= old)
        return;
    memory_clear(&page_map.cache_ids[old], (bound - old) * sizeof(uint16_t));
    memory_clear(&page_map.arenas[old / ARENA_PAGES],
                 (bound - old) / ARENA_PAGES * sizeof(struct arena *));
    atomic_store_release(&page_map.bound, bound);
}

void page_map_set_cache_id(size_t first_page, size_t pages, unsigned cache_id)
{
    for (size_t page = first_page; page < first_page + pages; page++)
        atomic_store_relaxed(&page_map.cache_ids[page], (uint16_t)cache_id);
}

void page_map_set_arena(size_t page, struct arena *arena)
{
    atomic_store_release(&page_map.arenas[page / ARENA_PAGES], arena);
}
