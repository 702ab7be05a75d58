/* SPDX-License-Identifier: MIT */
/* Runs of pages, out of arenas; see page_heap.h. */
#include "mm/pages/page_heap.h"

#include "lib/bits.h"
#include "mm/frames/frames.h"
#include "mm/pages/page_heap_private.h"

struct page_heap page_heaps[FRAME_NODES];

size_t page_heaps_boot_bytes(void)
{
    return FRAME_NODES * boot_memory_bound(PAGE_HEAP_BUCKETS * sizeof(struct list));
}

static void heap_init(struct page_heap *heap, struct frame_node *node, struct boot_memory *boot)
{
    *heap = (struct page_heap){
        .node = node,
        .buckets = boot_memory_alloc(boot, PAGE_HEAP_BUCKETS * sizeof(struct list)),
    };
    spinlock_init(&heap->lock, LOCK_RANK_PAGE_HEAP);
    for (size_t i = 0; i < PAGE_HEAP_BUCKETS; i++)
        list_init(&heap->buckets[i]);
    list_init(&heap->idle);
}

void page_heaps_init(struct boot_memory *boot)
{
    for (unsigned node = 0; node < FRAME_NODES; node++)
        heap_init(&page_heaps[node], &frames.nodes[node], boot);
    metadata_pool_init(&arena_pool, sizeof(struct arena));
}

/* ---- buckets; the lock is held ---- */

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

/* The first occupied bucket from `run` on; PAGE_HEAP_BUCKETS where there is none. */
static size_t bucket_seek(const struct page_heap *heap, size_t run)
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

/* ---- frames become pages; the lock is held ---- */

void page_heap_drop(struct page_heap *heap, struct arena *arena, bool report_idle)
{
    page_heap_begin_change(heap, arena);
    heap->arenas--;
    arena_release(arena, report_idle);
}

/* Frames of one block become used pages of `span`, or free pages if that is NULL. */
static bool add_piece(struct page_heap *heap, size_t first, size_t pages, struct span *span)
{
    struct arena *arena = page_map_arena(first);
    bool known = arena != NULL;
    if (known)
        page_heap_begin_change(heap, arena);
    bool needs_table = span == NULL || pages < ARENA_PAGES;
    struct arena *added = arena_add_frames(first, pages, needs_table);
    if (added != NULL) {
        arena = added;
        if (span != NULL)
            arena_mark_used(arena, first, pages, span);
        heap->arenas += !known;
    }
    if (known || added != NULL)
        page_heap_end_change(heap, arena);
    return added != NULL;
}

/*
 * Pages of a span become free. The arena is released at once if it is idle and `eager` is set, or
 * if it has no table: it was all one span, and no other span could use it.
 */
static void free_piece(struct page_heap *heap, size_t first, size_t pages, bool eager)
{
    struct arena *arena = page_map_arena(first);
    page_heap_begin_change(heap, arena);
    arena_mark_free(arena, first, pages);
    page_heap_end_change(heap, arena);
    if (arena_is_idle(arena) && (eager || arena->table == NULL))
        page_heap_drop(heap, arena, false);
}

static void free_pieces(struct page_heap *heap, size_t first, size_t pages)
{
    size_t end = first + pages;
    /* Runs over more than one block came as contiguous frames and are released as such. */
    bool eager = frames_in_child(first, end) < pages;
    while (first < end) {
        size_t piece = frames_in_child(first, end);
        free_piece(heap, first, piece, eager);
        first += piece;
    }
}

/* Frames in a row, of any number of blocks, become pages of `span`. False: no memory for arena
 * records, and the frames are freed. */
static bool add_frames(struct page_heap *heap, size_t first, size_t pages, struct span *span)
{
    size_t end = first + pages;
    size_t at = first;
    while (at < end && add_piece(heap, at, frames_in_child(at, end), span))
        at += frames_in_child(at, end);
    if (at == end)
        return true;
    frames_free_range(at, end - at);
    if (at > first)
        free_pieces(heap, first, at - first);
    return false;
}

/* ---- allocation ---- */

static size_t take_from(struct page_heap *heap, struct arena *arena, size_t pages, size_t align,
                        struct span *span)
{
    unsigned offset = bitmap_best_fit(&arena->used, (unsigned)pages, (unsigned)align);
    if (offset == BITMAP_BITS)
        return NO_FRAME;
    size_t first = arena->first_page + offset;
    page_heap_begin_change(heap, arena);
    arena_mark_used(arena, first, pages, span);
    page_heap_end_change(heap, arena);
    return first;
}

/* Constant work: any run of pages + align - 1 contains an aligned run of `pages`. */
static size_t take_best(struct page_heap *heap, size_t pages, size_t align, struct span *span)
{
    size_t bucket = bucket_seek(heap, min_u64(pages + align - 1, ARENA_PAGES));
    if (bucket == PAGE_HEAP_BUCKETS)
        return NO_FRAME;
    struct list *front = heap->buckets[bucket].next;
    return take_from(heap, container_of(front, struct arena, bucket_link), pages, align, span);
}

/* The last try for aligned runs: each arena with a long enough run. */
static size_t take_by_search(struct page_heap *heap, size_t pages, size_t align, struct span *span)
{
    size_t bucket = bucket_seek(heap, pages);
    while (bucket < PAGE_HEAP_BUCKETS) {
        list_for_each (node, &heap->buckets[bucket]) {
            struct arena *arena = container_of(node, struct arena, bucket_link);
            size_t first = take_from(heap, arena, pages, align, span);
            if (first != NO_FRAME)
                return first;
        }
        bucket = bucket_seek(heap, bucket + 1);
    }
    return NO_FRAME;
}

typedef size_t take_function(struct page_heap *heap, size_t pages, size_t align, struct span *span);

static size_t locked(struct page_heap *heap, take_function *take, size_t pages, size_t align,
                     struct span *span)
{
    irq_state irq = spinlock_acquire(&heap->lock);
    size_t first = take(heap, pages, align, span);
    spinlock_release(&heap->lock, irq);
    return first;
}

/* ---- growth; no lock is held ---- */

static bool add_as_free(struct page_heap *heap, size_t first, size_t count)
{
    irq_state irq = spinlock_acquire(&heap->lock);
    bool added = add_frames(heap, first, count, NULL);
    spinlock_release(&heap->lock, irq);
    return added;
}

/* Adds the free frames of some block that has a run of `pages + spare`. The last `spare` frames of
 * the run stay free. */
static bool grow_by_remnant(struct page_heap *heap, size_t pages, size_t spare)
{
    struct frame_range piece = frames_alloc_remnant(heap->node, pages + spare);
    if (piece.first == NO_FRAME)
        return false;
    size_t end = piece.end - spare;
    frames_free_range(end, spare);
    return add_as_free(heap, piece.first, end - piece.first);
}

/* Frames that the record of an arena and its table need. */
#define ARENA_METADATA_FRAMES 2u

/*
 * Adds one more arena, whole if a huge frame is left, with a free run of `pages` in any case. The
 * last try leaves frames for the arena's own metadata, in case no others are free.
 */
static bool grow(struct page_heap *heap, size_t pages)
{
    size_t huge = frames_alloc(heap->node, CHILD_SHIFT);
    if (huge != NO_FRAME)
        return add_as_free(heap, huge, ARENA_PAGES);
    return grow_by_remnant(heap, pages, 0) || grow_by_remnant(heap, pages, ARENA_METADATA_FRAMES);
}

static size_t alloc_in_arena(struct page_heap *heap, size_t pages, size_t align, struct span *span)
{
    size_t first;
    do {
        first = locked(heap, take_best, pages, align, span);
    } while (first == NO_FRAME && grow(heap, min_u64(pages + align - 1, ARENA_PAGES)));
    if (first == NO_FRAME && align > 1)
        first = locked(heap, take_by_search, pages, align, span);
    return first;
}

/* More than an arena, or aligned to more. A run that begins at a block needs no tables: it is tried
 * first. */
static size_t alloc_contiguous(struct page_heap *heap, size_t pages, size_t align,
                               struct span *span)
{
    size_t first = frames_alloc_range(heap->node, pages, max_u64(align, ARENA_PAGES), 0);
    if (first == NO_FRAME && align < ARENA_PAGES)
        first = frames_alloc_range(heap->node, pages, align, 0);
    if (first == NO_FRAME)
        return NO_FRAME;
    irq_state irq = spinlock_acquire(&heap->lock);
    bool added = add_frames(heap, first, pages, span);
    spinlock_release(&heap->lock, irq);
    return added ? first : NO_FRAME;
}

size_t page_heap_alloc(struct page_heap *heap, size_t pages, size_t align, struct span *span)
{
    if (pages > ARENA_PAGES || align > ARENA_PAGES)
        return alloc_contiguous(heap, pages, align, span);
    return alloc_in_arena(heap, pages, align, span);
}

/* ---- freeing, growing in place ---- */

void page_heap_free(size_t first_page, size_t pages)
{
    struct page_heap *heap = page_heap_of(first_page);
    irq_state irq = spinlock_acquire(&heap->lock);
    free_pieces(heap, first_page, pages);
    spinlock_release(&heap->lock, irq);
}

/* Pages of one block: free pages of its arena, or free frames. The lock is held. */
static bool extend_piece(struct page_heap *heap, size_t first, size_t pages, struct span *span)
{
    struct arena *arena = page_map_arena(first);
    size_t offset = first % ARENA_PAGES;
    if (arena == NULL || !bitmap_all_clear(&arena->used, (unsigned)offset, (unsigned)pages))
        return frames_claim(first, pages) && add_frames(heap, first, pages, span);
    page_heap_begin_change(heap, arena);
    arena_mark_used(arena, first, pages, span);
    page_heap_end_change(heap, arena);
    return true;
}

bool page_heap_extend(size_t first_page, size_t pages, size_t more, struct span *span)
{
    struct page_heap *heap = page_heap_of(first_page);
    size_t start = first_page + pages;
    size_t end = start + more;
    size_t at = start;
    irq_state irq = spinlock_acquire(&heap->lock);
    while (at < end && extend_piece(heap, at, frames_in_child(at, end), span))
        at += frames_in_child(at, end);
    if (at < end && at > start)
        free_pieces(heap, start, at - start);
    spinlock_release(&heap->lock, irq);
    return at == end;
}

bool page_heap_split(size_t page)
{
    struct page_heap *heap = page_heap_of(page);
    irq_state irq = spinlock_acquire(&heap->lock);
    bool split = page % ARENA_PAGES == 0 || arena_split(page_map_arena(page));
    spinlock_release(&heap->lock, irq);
    return split;
}
