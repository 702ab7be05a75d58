/* SPDX-License-Identifier: MIT */
/*
 * The page heap: runs of pages, out of arenas.
 *
 * Which arena. Arenas stand in 513 buckets by the length of their longest free run. A request for
 * n pages takes from the first bucket at n or above that is not empty: the arena with the least
 * room that suffices, and in a bucket the fuller ones stand in front. So the fullest arenas fill
 * up, the emptiest run dry, and whole 2 MiB come free to be given back. A bitmap says which
 * buckets are not empty: the choice is constant work. Inside the arena the run is a best fit; that
 * and the upkeep look at no more than 512 bits. (TCMalloc's huge-page filler is of this kind.)
 *
 * Growth. When no arena has the run: a huge frame; where there is none, the longest piece of a
 * broken one, as a partial arena. Requests of more than an arena, or aligned to more than one, go
 * to the frame allocator directly, which finds contiguous frames, and every window they touch is
 * adopted.
 *
 * Going back. An arena none of whose pages is used is *idle*. Idle arenas wait for the scavenger
 * (scavenger.h); windows of a run of more than an arena go back at once. Before the frame allocator
 * refuses a frame, free pages of arenas in use go back as well.
 *
 * Locking. page_heap.lock guards arenas, buckets, the page map's content and the spans' extent.
 * Frames are asked for without it and given back under it.
 */
#ifndef MM_PAGES_PAGE_HEAP_H
#define MM_PAGES_PAGE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/list.h"
#include "lib/spinlock.h"
#include "mm/pages/arena.h"

struct span;

#define PAGE_HEAP_BUCKETS (ARENA_PAGES + 1)

/* All fields: lock. */
struct page_heap {
    struct spinlock lock;
    uint64_t occupied[ARENA_PAGES / 64 + 1]; /* a bit per bucket: not empty */
    struct list *buckets;                    /* PAGE_HEAP_BUCKETS heads */
    struct list idle;                        /* most recently idle first */
    size_t arenas;
    size_t idle_arenas;
    size_t busy_peak; /* most arenas not idle since the scavenger last looked */
    size_t owned_pages;
    size_t free_pages;
};

extern struct page_heap page_heap;

size_t page_heap_boot_bytes(void);
void page_heap_init(struct boot_memory *boot);

/*
 * `pages` pages in a row, at a multiple of `align` (a power of two) pages, marked as `span`'s.
 * Returns the first, or NO_FRAME when there is no memory. Contents undefined. No lock is held.
 */
size_t page_heap_alloc(size_t pages, size_t align, struct span *span);

/* Gives back the pages of a span, or of the cut-off tail of one (see page_heap_split()). */
void page_heap_free(size_t first_page, size_t pages);

/*
 * Adds the `more` pages behind [first_page, first_page + pages) to that run, if they are free.
 * False, with nothing changed, if not.
 */
bool page_heap_extend(size_t first_page, size_t pages, size_t more, struct span *span);

/*
 * A free page of some arena, as a frame for a table; NULL if there is none. For when no other
 * frame is left: without a descriptor the free pages could not be used at all.
 */
void *page_heap_lend_page(void);

/* Makes it possible to cut the run at `page`: false when there is no memory for that. */
bool page_heap_split(size_t page);

/* Gives up to `arenas` idle arenas back, those idle longest first; returns the frames. */
size_t page_heap_release_idle(size_t arenas);

/*
 * Gives free pages of arenas that are in use to the frame allocator, in runs of at least `run` (not
 * 0), the longest first, until there are `least_frames`, or no more; returns how many. Their
 * windows are no whole huge frames for as long as somebody has one of them: so for when frames
 * would be refused otherwise.
 */
size_t page_heap_give_up_free(size_t least_frames, size_t run);

void page_heap_verify(void);

#endif
