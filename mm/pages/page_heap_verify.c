/* SPDX-License-Identifier: MIT */
/* The page heap compared with its arenas; see page_heap.h. */
#include "lib/check.h"
#include "mm/pages/page_heap.h"

static void verify_arena_place(const struct arena *arena, size_t bucket)
{
    arena_verify(arena);
    CHECK(arena->longest_run == bucket, "quarry: the arena at page %#zx is in bucket %zu",
          arena->first_page, bucket);
    CHECK(arena_is_idle(arena) == !list_is_empty(&arena->idle_link),
          "quarry: the arena at page %#zx is on the wrong side of the idle list",
          arena->first_page);
}

void page_heap_verify(struct page_heap *heap)
{
    irq_state irq = spinlock_acquire(&heap->lock);
    size_t arenas = 0;
    size_t idle = 0;
    size_t owned = 0;
    size_t free_pages = 0;
    for (size_t bucket = 0; bucket < PAGE_HEAP_BUCKETS; bucket++) {
        list_for_each (node, &heap->buckets[bucket]) {
            const struct arena *arena = container_of(node, struct arena, bucket_link);
            verify_arena_place(arena, bucket);
            arenas++;
            idle += arena_is_idle(arena);
            owned += arena->owned_pages;
            free_pages += arena->free_pages;
        }
        bool marked = heap->occupied[bucket / WORD_BITS] >> (bucket % WORD_BITS) & 1;
        CHECK(marked == !list_is_empty(&heap->buckets[bucket]),
              "quarry: page heap bucket %zu is marked wrongly", bucket);
    }
    CHECK(arenas == heap->arenas && idle == heap->idle_arenas && owned == heap->owned_pages &&
              free_pages == heap->free_pages,
          "quarry: the page heap counts %zu arenas, %zu idle, %zu pages, %zu free; "
          "there are %zu, %zu, %zu, %zu",
          heap->arenas, heap->idle_arenas, heap->owned_pages, heap->free_pages, arenas, idle, owned,
          free_pages);
    spinlock_release(&heap->lock, irq);
    metadata_pool_verify(&arena_pool);
}
