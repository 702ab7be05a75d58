/* SPDX-License-Identifier: MIT */
/* Between page_heap.c and page_heap_release.c. The page heap's lock is held. */
#ifndef MM_PAGES_PAGE_HEAP_PRIVATE_H
#define MM_PAGES_PAGE_HEAP_PRIVATE_H

#include "mm/pages/page_heap.h"

/* Each change to an arena is made between these two calls, which keep lists and sums in step. */
void page_heap_begin_change(struct page_heap *heap, struct arena *arena);
void page_heap_end_change(struct page_heap *heap, struct arena *arena);

/* Releases an idle arena. `report_idle`: also calls the port's setup.memory_idle. */
void page_heap_drop(struct page_heap *heap, struct arena *arena, bool report_idle);

#endif
