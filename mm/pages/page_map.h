/* SPDX-License-Identifier: MIT */
/*
 * The page map: from any address to what is there, in constant time.
 *
 * Two flat arrays over the direct map, both indexed from physical address 0:
 *
 *     classes    a byte per page: the size class of the objects there, or 0, the door, for all
 *                that is not a plain small object: large objects, free pages, foreign memory
 *     arenas     a pointer per 2 MiB window: the arena's record, or NULL
 *
 * Both reach only to `bound` pages, which grows with the highest arena: what lies beyond is not
 * even cleared. So a free of any address at all is one subtraction, one compare and one byte;
 * NULL and foreign addresses read as class 0, and no separate test is needed. (NULL: with an
 * identity map it is page 0, which no arena has; else the subtraction wraps beyond any bound.)
 *
 * Locking: written under the page heap's lock, read by everyone without. Whoever frees an object
 * got it from somebody who saw its page's byte written, so relaxed reads suffice there; `bound` is
 * read with acquire, for foreign addresses.
 *
 * Source: the class byte is TCMalloc's page map cut down to what the fast path needs.
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

/* A page's number is its frame's. An arena has as many as a child. */
#define ARENA_PAGES CHILD_FRAMES
#define ARENA_BYTES (ARENA_PAGES * FRAME_BYTES)

struct page_map {
    uintptr_t direct_map;
    size_t bound;     /* pages; a multiple of ARENA_PAGES; only grows */
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

/* A page number for any address; beyond all bounds for one outside the direct map. */
static inline size_t page_of_address(const void *address)
{
    return ((uintptr_t)address - page_map.direct_map) >> FRAME_SHIFT;
}

static inline uintptr_t page_address(size_t page)
{
    return page_map.direct_map + (page << FRAME_SHIFT);
}

/* The class byte of any address. Any context. */
static inline unsigned page_map_cache_id(const void *address)
{
    size_t page = page_of_address(address);
    if (unlikely(page >= atomic_load_acquire(&page_map.bound)))
        return 0;
    return atomic_load_relaxed(&page_map.cache_ids[page]);
}

/* The record of the arena around any page; NULL where the heap has none. Any context. */
static inline struct arena *page_map_arena(size_t page)
{
    if (page >= atomic_load_acquire(&page_map.bound))
        return NULL;
    return atomic_load_acquire(&page_map.arenas[page / ARENA_PAGES]);
}

/* Both: the page heap's lock is held, and the pages are below the bound. */
void page_map_set_cache_id(size_t first_page, size_t pages, unsigned size_class);
void page_map_set_arena(size_t page, struct arena *arena);

#endif
