/* SPDX-License-Identifier: MIT */
/*
 * Pools of descriptors: records of spans and arenas, out of band.
 *
 * A pool allocates single frames from the frame allocator and cuts each into items of one size, so
 * its growth never needs the heap. A page whose items are all free is freed, except for one that is
 * kept for the next need. Free items are chained through themselves: only Quarry writes to these
 * pages, and no object is on them.
 */
#ifndef MM_PAGES_METADATA_POOL_H
#define MM_PAGES_METADATA_POOL_H

#include <stddef.h>

#include "lib/list.h"
#include "lib/spinlock.h"

/*
 * `lock` guards all fields and the pages' headers. Empty pages stand at the end of `partial`: there
 * is one, and one more for each CPU that feeds the pool at the same time. So a drain holds the lock
 * for a time that does not grow with the pool.
 */
struct metadata_pool {
    struct spinlock lock;
    size_t item_bytes;   /* a multiple of 64 */
    struct list partial; /* pages with a free item, empty ones included */
    size_t pages;
    size_t items; /* allocated */
};

void metadata_pool_init(struct metadata_pool *pool, size_t item_bytes);

/* An item, contents undefined, at a multiple of 64; NULL when there is no frame. */
void *metadata_pool_alloc(struct metadata_pool *pool);

/* Adds a page from elsewhere to the pool, which frees it as a frame. NULL is ignored. */
void metadata_pool_feed(struct metadata_pool *pool, void *memory);

void metadata_pool_free(struct metadata_pool *pool, void *item);

/* Frees all empty pages; returns how many. */
size_t metadata_pool_drain(struct metadata_pool *pool);

/* Checks the count of each page; stops if one is wrong. */
void metadata_pool_verify(struct metadata_pool *pool);

#endif
