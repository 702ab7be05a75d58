/* SPDX-License-Identifier: MIT */
/* Buckets of arenas by their longest free run; see page_heap_buckets.h. */
#include "mm/pages/page_heap_buckets.h"

#include "lib/bits.h"

static void bucket_leave(struct page_heap *heap, struct arena *arena)
{
    unsigned run = arena->longest_run;
    list_remove(&arena->bucket_link);
    if (list_is_empty(&heap->buckets[run]))
        heap->occupied[run / WORD_BITS] &= ~((uint64_t)1 << (run % WORD_BITS));
}

static void bucket_enter(struct page_heap *heap, struct arena *arena)
{
    unsigned run = arena->longest_run;
    struct list *bucket = &heap->buckets[run];
    const struct arena *front = container_of(bucket->next, struct arena, bucket_link);
    if (list_is_empty(bucket) || arena->free_pages <= front->free_pages)
        list_push_front(bucket, &arena->bucket_link);
    else
        list_push_back(bucket, &arena->bucket_link);
    heap->occupied[run / WORD_BITS] |= (uint64_t)1 << (run % WORD_BITS);
}

void page_heap_begin_change(struct page_heap *heap, struct arena *arena)
{
    bucket_leave(heap, arena);
    heap->owned_pages -= arena->owned_pages;
    heap->free_pages -= arena->free_pages;
    if (!list_is_empty(&arena->idle_link)) {
        list_remove(&arena->idle_link);
        heap->idle_arenas--;
    }
}

void page_heap_end_change(struct page_heap *heap, struct arena *arena)
{
    bucket_enter(heap, arena);
    heap->owned_pages += arena->owned_pages;
    heap->free_pages += arena->free_pages;
    if (arena_is_idle(arena)) {
        list_push_front(&heap->idle, &arena->idle_link);
        heap->idle_arenas++;
    }
    heap->busy_peak = max_u64(heap->busy_peak, heap->arenas - heap->idle_arenas);
}
