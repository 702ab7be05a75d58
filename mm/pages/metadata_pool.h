/* SPDX-License-Identifier: MIT */
/*
 * Pools of descriptors: span and arena records, out of band.
 *
 * A pool takes single frames straight from the frame allocator and cuts each into items of one
 * size, so its growth never comes back to the heap. A page whose items are all free goes back,
 * but for one that is kept against the next need. Free items are chained through themselves:
 * nobody but Quarry writes here, and no object lies beside them.
 */
#ifndef MM_PAGES_METADATA_POOL_H
#define MM_PAGES_METADATA_POOL_H

#include <stddef.h>

#include "lib/list.h"
#include "lib/spinlock.h"

/* `lock` guards all fields and the pages' headers. */
struct metadata_pool {
    struct spinlock lock;
    size_t item_bytes;   /* a multiple of 64 */
    struct list partial; /* pages with a free item, empty ones included */
    size_t pages;
    size_t items; /* taken */
};

void metadata_pool_init(struct metadata_pool *pool, size_t item_bytes);

/* An item, contents undefined, at a multiple of 64; NULL when there is no frame. */
void *metadata_pool_alloc(struct metadata_pool *pool);

/* Cuts up a page from elsewhere, which from now on is the pool's own: it goes back as a frame. */
void metadata_pool_feed(struct metadata_pool *pool, void *memory);

void metadata_pool_free(struct metadata_pool *pool, void *item);

/* Gives every empty page back. */
void metadata_pool_drain(struct metadata_pool *pool);

/* Checks each page's count; stops where one is wrong. */
void metadata_pool_verify(struct metadata_pool *pool);

#endif
