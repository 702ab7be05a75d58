/* SPDX-License-Identifier: MIT */
/*
 * The page heap: runs of pages, taken from arenas. There is one page heap for each frame node.
 *
 * Choice of the arena. Arenas stand in 513 buckets by the length of their longest free run. A
 * request for n pages takes an arena from the first bucket at n or above that is not empty. This
 * arena has the least room that suffices; inside a bucket the fuller arenas stand in front. So full
 * arenas fill up, nearly empty ones become empty, and whole 2 MiB blocks can be released. A bitmap
 * marks the buckets that are not empty: the choice is constant work. Inside the arena the run is a
 * best fit; the search and the upkeep read at most 512 bits. (TCMalloc's huge-page filler is
 * similar.)
 *
 * Growth. When no arena has the run: a huge frame. When no huge frame is left: the longest piece of
 * a broken one, as a partial arena. Requests of more than an arena, or aligned to more than one, go
 * to the frame allocator, which finds contiguous frames. Each block that they touch gets an arena.
 *
 * Release. An arena none of whose pages is used is *idle*. Idle arenas are released in steps
 * (mm/reclaim/scavenger.h). The blocks of a run of more than an arena are released when it is
 * freed. Before the frame allocator fails a request, free pages of arenas in use are released as
 * well.
 *
 * Locking. The lock guards arenas, buckets and the extent of spans. On the way of an ordinary
 * allocation frames are allocated before the lock is taken. Under the lock: frames are freed,
 * claimed for growth in place, and allocated for arena records and tables. So the locks of the
 * metadata pools and of the frame allocator nest inside this lock.
 */
#ifndef MM_PAGES_PAGE_HEAP_H
#define MM_PAGES_PAGE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/list.h"
#include "lib/spinlock.h"
#include "mm/frames/frames.h"
#include "mm/pages/arena.h"

struct span;

#define PAGE_HEAP_BUCKETS (ARENA_PAGES + 1)

/*
 * Owner: quarry_init() until it returns, then the holder of `lock`. All fields but `node`: lock.
 * Equations: owned_pages and free_pages are the sums over all arenas; idle_arenas is the length of
 * `idle`; bit n of `occupied` is set exactly when buckets[n] is not empty.
 */
struct page_heap {
    struct spinlock lock;
    struct frame_node *node; /* where the frames come from; never changes */
    uint64_t occupied[ARENA_PAGES / 64 + 1];
    struct list *buckets; /* PAGE_HEAP_BUCKETS heads */
    struct list idle;     /* most recently idle first */
    size_t arenas;
    size_t idle_arenas;
    size_t busy_peak; /* most arenas in use since page_heap_read_peak() */
    size_t owned_pages;
    size_t free_pages;
};

extern struct page_heap page_heaps[FRAME_NODES];

/* The heap that a page belongs to. */
static inline struct page_heap *page_heap_of(size_t page)
{
    return &page_heaps[frame_node_of(page) - frames.nodes];
}

/* Bytes of boot memory that page_heaps_init() takes at most. */
size_t page_heaps_boot_bytes(void);
void page_heaps_init(struct boot_memory *boot);

/*
 * `pages` pages in a row, at a multiple of `align` (a power of two) pages, marked as `span`'s.
 * Returns the first, or NO_FRAME when there is no memory. Contents undefined. No lock is held.
 */
size_t page_heap_alloc(struct page_heap *heap, size_t pages, size_t align, struct span *span);

/* Frees the pages of a span, or of the tail that page_heap_split() cut off. */
void page_heap_free(size_t first_page, size_t pages);

/*
 * Adds the `more` pages behind [first_page, first_page + pages) to that run, if they are free.
 * False: they are not, and nothing is changed.
 */
bool page_heap_extend(size_t first_page, size_t pages, size_t more, struct span *span);

/*
 * A free page of some arena, as a frame for a table; NULL if there is none. For the case that no
 * other frame is left: without descriptors the free pages could not be used.
 */
void *page_heap_lend_page(struct page_heap *heap);

/* Prepares a cut of the run before `page`. False: no memory. */
bool page_heap_split(size_t page);

/* Releases up to `arenas` idle arenas, those idle longest first; returns their frames. */
size_t page_heap_release_idle(struct page_heap *heap, size_t arenas);

/*
 * Releases free pages of arenas that are in use, in runs of at least `run` (not 0) pages, the
 * longest first, until `least_frames` are released or no such run is left; returns how many. Their
 * blocks cannot become huge frames while one of these frames is in use. So only for the case that a
 * request for frames would fail.
 */
size_t page_heap_release_free(struct page_heap *heap, size_t least_frames, size_t run);

/* The most arenas that were in use at once since the last call, and how many there are now. */
size_t page_heap_read_peak(struct page_heap *heap, size_t *arenas);

void page_heap_verify(struct page_heap *heap);

#endif
