/* SPDX-License-Identifier: MIT */
/*
 * Arenas: 2 MiB-aligned windows of the direct map of which the heap has a part, mostly all.
 *
 *     used    a bit per page: set when the page is in a span, or is not the heap's
 *     owned   a bit per page: set when the heap got the page's frame from the frame allocator
 *
 * So a clear bit in `used` is a page that can be had, and these hold at all times:
 *
 *     ~owned is a part of used        free_pages  = clear bits of used
 *     owned_pages = set bits of owned longest_run = longest run of clear bits of used
 *
 * A *whole* arena came as one huge frame. A *partial* one holds what could be had where no huge
 * frame was left, and may grow as more of its window comes free.
 *
 * The pages' spans stand in a table of 512 pointers, a page of its own. An arena that is all one
 * large object has none: `sole` says it all.
 *
 * Who owns an arena. The page heap, from arena_adopt() to arena_release(): its lock guards every
 * field. Only `table`, its entries and `sole` are read without it (arena_span()), by somebody who
 * holds a live object there, or an address that is no good.
 */
#ifndef MM_PAGES_ARENA_H
#define MM_PAGES_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/bitmap.h"
#include "lib/list.h"
#include "mm/pages/metadata_pool.h"
#include "mm/pages/page_map.h"

struct span;

struct arena {
    struct bitmap used;
    struct bitmap owned;
    struct list bucket_link; /* page heap: arenas with the same longest_run */
    struct list idle_link;   /* page heap: arenas none of whose pages is in a span */
    struct span **table;     /* ARENA_PAGES entries, or NULL */
    struct span *sole;       /* the span of every page, where there is no table */
    size_t first_page;
    uint16_t free_pages;
    uint16_t owned_pages;
    uint16_t longest_run;
};

_Static_assert(BITMAP_BITS == ARENA_PAGES, "an arena has a bit per page");
_Static_assert(ARENA_PAGES * sizeof(struct span *) == FRAME_BYTES, "a table is one page");

extern struct metadata_pool arena_pool;

/* All functions below but arena_span(): the page heap's lock is held. */

/*
 * Frames [first_page, first_page + pages), within one window, which the caller got from the frame
 * allocator, become owned and free pages. `needs_table`: unless the pages are to be one span
 * that fills the window. NULL when there is no memory for the record or the table; the frames are
 * the caller's still.
 */
struct arena *arena_adopt(size_t first_page, size_t pages, bool needs_table);

/* Gives every owned frame back, and the record; the port is told if `retire`. No page is in a span;
 * the arena is on no list. */
void arena_release(struct arena *arena, bool retire);

/* Gives the sole span's arena a table, each entry that span. False: no memory. */
bool arena_split(struct arena *arena);

/* Marks pages as used by a span, or as free; both keep the counts. */
void arena_mark_used(struct arena *arena, size_t first_page, size_t pages, struct span *span);
void arena_mark_free(struct arena *arena, size_t first_page, size_t pages);

/* Free pages leave the arena for good: not owned any more, they are the caller's frames. */
void arena_disown(struct arena *arena, size_t first_page, size_t pages);

static inline bool arena_is_idle(const struct arena *arena)
{
    return arena->free_pages == arena->owned_pages;
}

/* The span around a page, NULL if there is none. Any context; a hint without the lock. */
struct span *arena_span(size_t page);

void arena_verify(const struct arena *arena);

#endif
