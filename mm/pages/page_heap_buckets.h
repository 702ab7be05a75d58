/* SPDX-License-Identifier: MIT */
/*
 * The buckets of a page heap: arenas by the length of their longest free run, and the sums over all
 * arenas. page_heap.h has the theory. The page heap's lock is held.
 */
#ifndef MM_PAGES_PAGE_HEAP_BUCKETS_H
#define MM_PAGES_PAGE_HEAP_BUCKETS_H

#include "lib/bits.h"
#include "mm/pages/page_heap.h"

/* The first occupied bucket from `run` on; PAGE_HEAP_BUCKETS where there is none. */
static inline size_t page_heap_seek(const struct page_heap *heap, size_t run)
{
    size_t index = run / WORD_BITS;
    uint64_t word = heap->occupied[index] & ~bits_mask(run % WORD_BITS);
    while (word == 0) {
        if (++index > ARENA_PAGES / WORD_BITS)
            return PAGE_HEAP_BUCKETS;
        word = heap->occupied[index];
    }
    return index * WORD_BITS + bits_lowest(word);
}

/* Each change to an arena is made between these two calls, which keep lists and sums in step. */
void page_heap_begin_change(struct page_heap *heap, struct arena *arena);
void page_heap_end_change(struct page_heap *heap, struct arena *arena);

#endif
