/* SPDX-License-Identifier: MIT */
/*
 * Arenas: the 2 MiB-aligned blocks of the direct map of which the heap owns a part, usually all.
 *
 *     used    a bit per page: set when the page is in a span, or is not owned by the heap
 *     owned   a bit per page: set when the heap got the page's frame from the frame allocator
 *
 * So a clear bit in `used` is a page that can be allocated, and these hold at all times:
 *
 *     ~owned is a subset of used      free_pages  = clear bits of used
 *     owned_pages = set bits of owned longest_run = longest run of clear bits of used
 *
 * A *whole* arena came as one huge frame. A *partial* arena has the frames that were free where no
 * huge frame was left. It may grow as more frames of its block become free.
 *
 * A table of 512 pointers, in a page of its own, has the span of each page. An arena that is all
 * one large object has no table: `sole` is the span of each page.
 *
 * Owner. The page heap, from arena_add_frames() to arena_release(): its lock guards all fields.
 * Only `table`, its entries and `sole` are read without it, by arena_span(). The result is exact
 * for a page of a live object, and a hint for any other.
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
    struct list bucket_link; /* in the page heap's bucket of longest_run */
    struct list idle_link;   /* in the page heap's list of idle arenas; else on no list */
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
 * Frames [first_page, first_page + pages) of one block, which the caller allocated, become owned
 * and free pages. `needs_table` is false only if the pages become one span that fills the block.
 * NULL: no memory for the record or the table, and the frames stay the caller's.
 */
struct arena *arena_add_frames(size_t first_page, size_t pages, bool needs_table);

/* Frees all owned frames and the record. `report_idle`: also calls the port's setup.memory_idle. No
 * page is in a span, and the arena is on no list. */
void arena_release(struct arena *arena, bool report_idle);

/* Gives an arena with a sole span a table, each entry that span. False: no memory. */
bool arena_split(struct arena *arena);

/* Marks pages as used by a span, or as free; both keep the counts. */
void arena_mark_used(struct arena *arena, size_t first_page, size_t pages, struct span *span);
void arena_mark_free(struct arena *arena, size_t first_page, size_t pages);

/* Removes free pages from the arena. They are not owned any more and are the caller's frames. */
void arena_remove_pages(struct arena *arena, size_t first_page, size_t pages);

static inline bool arena_is_idle(const struct arena *arena)
{
    return arena->free_pages == arena->owned_pages;
}

/* The span of a page, NULL if there is none. Any context; without the lock a hint. */
struct span *arena_span(size_t page);

void arena_verify(const struct arena *arena);

#endif
