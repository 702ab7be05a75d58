/* SPDX-License-Identifier: MIT */
/*
 * The page map: from any address to what is there, in constant time.
 *
 * Two flat arrays over the direct map, indexed from physical address 0:
 *
 *     cache_ids  16 bits per page: the cache id of the objects there (mm/objects/cache_id.h), or 0,
 *                the sentinel, for all that has no magazine (large objects, free pages, ...)
 *     arenas     a pointer per 2 MiB block: the arena's record, or NULL
 *
 * Both reach to `bound` pages, which grows with the highest arena. Entries beyond are not cleared.
 * So the id of any address costs one subtraction, one comparison and one load. NULL and foreign
 * addresses read as 0 without a test of their own. (NULL: with an identity map it is page 0, which
 * no arena has; else the subtraction wraps beyond any bound.)
 *
 * Locking. The ids of a span's pages are written by the span's owner. `arenas` and `bound` are
 * written under the page heap's lock. All are read without a lock. The owner of an object got its
 * address from a CPU that saw its page's id written, so relaxed reads suffice for live objects;
 * `bound` is read with acquire, for foreign addresses.
 *
 * Source: the id is TCMalloc's page map cut down to what the fast path needs.
 */
#ifndef MM_PAGES_PAGE_MAP_H
#define MM_PAGES_PAGE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "lib/atomic.h"
#include "lib/bits.h"
#include "mm/frames/frame.h"

struct arena;
struct boot_memory;

/* A page has the number of its frame. An arena has as many pages as a child has frames. */
#define ARENA_PAGES CHILD_FRAMES
#define ARENA_BYTES (ARENA_PAGES * FRAME_BYTES)

struct page_map {
    uintptr_t direct_map;
    size_t bound;        /* pages; a multiple of ARENA_PAGES; only grows */
    uint16_t *cache_ids; /* capacity entries, [0, bound) valid */
    struct arena **arenas;
    size_t capacity; /* pages */
} __attribute__((__aligned__(64)));

extern struct page_map page_map;

/* Bytes of boot memory that page_map_init() takes at most. */
size_t page_map_boot_bytes(size_t end_frame);
void page_map_init(struct boot_memory *boot, uintptr_t direct_map, size_t end_frame);

/* Makes [0, end_page) valid. The page heap's lock is held. */
void page_map_extend(size_t end_page);

/* The page number of any address; beyond any bound for one outside the direct map. */
static inline size_t page_of_address(const void *address)
{
    return ((uintptr_t)address - page_map.direct_map) >> FRAME_SHIFT;
}

static inline uintptr_t page_address(size_t page)
{
    return page_map.direct_map + (page << FRAME_SHIFT);
}

/* The cache id of any address. Any context. */
static inline unsigned page_map_cache_id(const void *address)
{
    size_t page = page_of_address(address);
    if (unlikely(page >= atomic_load_acquire(&page_map.bound)))
        return 0;
    return atomic_load_relaxed(&page_map.cache_ids[page]);
}

/* The arena that contains a page; NULL where the heap has none. Any context. */
static inline struct arena *page_map_arena(size_t page)
{
    if (page >= atomic_load_acquire(&page_map.bound))
        return NULL;
    return atomic_load_acquire(&page_map.arenas[page / ARENA_PAGES]);
}

/* The pages are below the bound and belong to the caller's span. */
void page_map_set_cache_id(size_t first_page, size_t pages, unsigned cache_id);

/* The page heap's lock is held, and the page is below the bound. */
void page_map_set_arena(size_t page, struct arena *arena);

#endif
