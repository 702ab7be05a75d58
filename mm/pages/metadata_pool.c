/* SPDX-License-Identifier: MIT */
/* Pools of descriptors; see metadata_pool.h. */
#include "mm/pages/metadata_pool.h"

#include "lib/bits.h"
#include "lib/check.h"
#include "lib/fault.h"
#include "mm/frames/frames.h"

struct free_item {
    struct free_item *next;
};

/* At the start of each page. The page is on the pool's list exactly while `first_free` is not
 * NULL. */
struct pool_page {
    struct list link;
    struct free_item *first_free;
    size_t items; /* allocated */
};

#define HEADER_BYTES ((size_t)64)

_Static_assert(sizeof(struct pool_page) <= HEADER_BYTES, "the header fits its line");

void metadata_pool_init(struct metadata_pool *pool, size_t item_bytes)
{
    spinlock_init(&pool->lock, LOCK_RANK_METADATA_POOL);
    pool->item_bytes = round_up(item_bytes, 64);
    list_init(&pool->partial);
    pool->pages = 0;
    pool->items = 0;
}

static struct pool_page *page_of(void *item)
{
    return (struct pool_page *)round_down((uintptr_t)item, FRAME_BYTES);
}

/* The lock is held. */
static struct pool_page *page_add(struct metadata_pool *pool, void *memory)
{
    if (memory == NULL)
        return NULL;
    struct pool_page *page = memory;
    struct free_item *first = NULL;
    uintptr_t last = (uintptr_t)page + FRAME_BYTES - pool->item_bytes;
    for (uintptr_t at = (uintptr_t)page + HEADER_BYTES; at <= last; at += pool->item_bytes) {
        struct free_item *item = (struct free_item *)at;
        item->next = first;
        first = item;
    }
    page->first_free = first;
    page->items = 0;
    list_push_back(&pool->partial, &page->link);
    pool->pages++;
    return page;
}

static void page_drop(struct metadata_pool *pool, struct pool_page *page)
{
    list_remove(&page->link);
    pool->pages--;
    frames_free_page(page);
}

void *metadata_pool_alloc(struct metadata_pool *pool)
{
    if (fault_here(FAULT_DESCRIPTOR))
        return NULL;
    irq_state irq = spinlock_acquire(&pool->lock);
    struct pool_page *page;
    if (!list_is_empty(&pool->partial))
        page = container_of(pool->partial.next, struct pool_page, link);
    else
        page = page_add(pool, frames_alloc_page());
    struct free_item *item = NULL;
    if (page != NULL) {
        item = page->first_free;
        page->first_free = item->next;
        page->items++;
        pool->items++;
        if (page->first_free == NULL)
            list_remove(&page->link);
    }
    spinlock_release(&pool->lock, irq);
    return item;
}

void metadata_pool_feed(struct metadata_pool *pool, void *memory)
{
    irq_state irq = spinlock_acquire(&pool->lock);
    page_add(pool, memory);
    spinlock_release(&pool->lock, irq);
}

void metadata_pool_free(struct metadata_pool *pool, void *item_memory)
{
    struct free_item *item = item_memory;
    irq_state irq = spinlock_acquire(&pool->lock);
    struct pool_page *page = page_of(item_memory);
    if (page->first_free == NULL)
        list_push_front(&pool->partial, &page->link);
    item->next = page->first_free;
    page->first_free = item;
    page->items--;
    pool->items--;
    bool only_partial = pool->partial.next == pool->partial.previous;
    if (page->items == 0 && !only_partial)
        page_drop(pool, page);
    spinlock_release(&pool->lock, irq);
}

/* NULL: there is none. The lock is held. */
static struct pool_page *empty_page(const struct metadata_pool *pool)
{
    if (list_is_empty(&pool->partial))
        return NULL;
    struct pool_page *last = container_of(pool->partial.previous, struct pool_page, link);
    return last->items == 0 ? last : NULL;
}

size_t metadata_pool_drain(struct metadata_pool *pool)
{
    irq_state irq = spinlock_acquire(&pool->lock);
    size_t before = pool->pages;
    struct pool_page *page;
    while ((page = empty_page(pool)) != NULL)
        page_drop(pool, page);
    size_t freed = before - pool->pages;
    spinlock_release(&pool->lock, irq);
    return freed;
}

void metadata_pool_verify(struct metadata_pool *pool)
{
    irq_state irq = spinlock_acquire(&pool->lock);
    size_t per_page = (FRAME_BYTES - HEADER_BYTES) / pool->item_bytes;
    size_t free_items = 0;
    bool empty_before = false;
    list_for_each (node, &pool->partial) {
        const struct pool_page *page = container_of(node, struct pool_page, link);
        size_t count = 0;
        for (const struct free_item *item = page->first_free; item != NULL; item = item->next)
            count++;
        CHECK(count > 0 && count + page->items == per_page,
              "quarry: metadata page %p has %zu items allocated and %zu free of %zu",
              (const void *)page, page->items, count, per_page);
        CHECK(!empty_before || page->items == 0,
              "quarry: metadata page %p is in use and stands behind an empty one",
              (const void *)page);
        empty_before = page->items == 0;
        free_items += count;
    }
    CHECK(pool->items + free_items == pool->pages * per_page,
          "quarry: a metadata pool of %zu pages has %zu items allocated and %zu free", pool->pages,
          pool->items, free_items);
    spinlock_release(&pool->lock, irq);
}
