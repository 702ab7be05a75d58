/* SPDX-License-Identifier: MIT */
/* Memory leaves the page heap: idle arenas, free pages, a page for a table; see page_heap.h. */
#include "mm/pages/page_heap_private.h"

/* Releases the arena that is idle longest and adds its frames to `released`. False: none is idle.
 */
static bool release_one(struct page_heap *heap, size_t *released)
{
    irq_state irq = spinlock_acquire(&heap->lock);
    bool is_idle = !list_is_empty(&heap->idle);
    if (is_idle) {
        struct arena *arena = container_of(heap->idle.previous, struct arena, idle_link);
        *released += arena->owned_pages;
        page_heap_drop(heap, arena, true);
    }
    spinlock_release(&heap->lock, irq);
    return is_idle;
}

/* The lock is held for one arena at a time. */
size_t page_heap_release_idle(struct page_heap *heap, size_t arenas)
{
    size_t released = 0;
    for (size_t i = 0; i < arenas && release_one(heap, &released); i++)
        continue;
    return released;
}

/* Frees the frames of the arena's longest free run; returns how many. */
static size_t release_run(struct page_heap *heap, struct arena *arena)
{
    struct bitmap_run run = bitmap_longest_clear_run(&arena->used);
    size_t first = arena->first_page + run.first;
    page_heap_begin_change(heap, arena);
    arena_remove_pages(arena, first, run.length);
    page_heap_end_change(heap, arena);
    frames_release(first, run.length, true);
    return run.length;
}

/* NULL: there is none of at least `run` pages. */
static struct arena *with_longest_run(const struct page_heap *heap, size_t run)
{
    for (size_t bucket = PAGE_HEAP_BUCKETS - 1; bucket >= run; bucket--)
        if (!list_is_empty(&heap->buckets[bucket]))
            return container_of(heap->buckets[bucket].next, struct arena, bucket_link);
    return NULL;
}

/* The lock is held for one run at a time. */
size_t page_heap_release_free(struct page_heap *heap, size_t least_frames, size_t run)
{
    size_t released = 0;
    struct arena *arena;
    do {
        irq_state irq = spinlock_acquire(&heap->lock);
        arena = with_longest_run(heap, run);
        if (arena != NULL)
            released += release_run(heap, arena);
        spinlock_release(&heap->lock, irq);
    } while (arena != NULL && released < least_frames);
    return released;
}

size_t page_heap_read_peak(struct page_heap *heap, size_t *arenas)
{
    irq_state irq = spinlock_acquire(&heap->lock);
    size_t peak = heap->busy_peak;
    heap->busy_peak = heap->arenas - heap->idle_arenas;
    *arenas = heap->arenas;
    spinlock_release(&heap->lock, irq);
    return peak;
}

/* NULL: no page is free. */
static struct arena *with_shortest_run(const struct page_heap *heap)
{
    for (size_t bucket = 1; bucket < PAGE_HEAP_BUCKETS; bucket++)
        if (!list_is_empty(&heap->buckets[bucket]))
            return container_of(heap->buckets[bucket].next, struct arena, bucket_link);
    return NULL;
}

void *page_heap_lend_page(struct page_heap *heap)
{
    void *page = NULL;
    irq_state irq = spinlock_acquire(&heap->lock);
    struct arena *arena = with_shortest_run(heap);
    if (arena != NULL) {
        size_t number = arena->first_page + bitmap_best_fit(&arena->used, 1, 1);
        page_heap_begin_change(heap, arena);
        arena_remove_pages(arena, number, 1);
        page_heap_end_change(heap, arena);
        page = frame_address(number);
    }
    spinlock_release(&heap->lock, irq);
    return page;
}
