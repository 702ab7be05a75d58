/* SPDX-License-Identifier: MIT */
/* Runs of pages, out of arenas; see page_heap.h. */
#include "mm/pages/page_heap.h"

#include "lib/bits.h"
#include "lib/check.h"
#include "mm/frames/boot_memory.h"
#include "mm/frames/frame_api.h"

struct page_heap page_heap;

size_t page_heap_boot_bytes(void)
{
    return PAGE_HEAP_BUCKETS * sizeof(struct list) + 64;
}

void page_heap_init(struct boot_memory *boot)
{
    page_heap = (struct page_heap){
        .buckets = boot_memory_alloc(boot, PAGE_HEAP_BUCKETS * sizeof(struct list)),
    };
    spinlock_init(&page_heap.lock, LOCK_RANK_PAGE_HEAP);
    for (size_t i = 0; i < PAGE_HEAP_BUCKETS; i++)
        list_init(&page_heap.buckets[i]);
    list_init(&page_heap.idle);
    metadata_pool_init(&arena_pool, sizeof(struct arena));
}

/* ---- buckets; the lock is held ---- */

static void bucket_leave(struct arena *arena)
{
    unsigned run = arena->longest_run;
    list_remove(&arena->bucket_link);
    if (list_is_empty(&page_heap.buckets[run]))
        page_heap.occupied[run / WORD_BITS] &= ~((uint64_t)1 << (run % WORD_BITS));
}

static void bucket_enter(struct arena *arena)
{
    unsigned run = arena->longest_run;
    struct list *bucket = &page_heap.buckets[run];
    const struct arena *front = container_of(bucket->next, struct arena, bucket_link);
    if (list_is_empty(bucket) || arena->free_pages <= front->free_pages)
        list_push_front(bucket, &arena->bucket_link);
    else
        list_push_back(bucket, &arena->bucket_link);
    page_heap.occupied[run / WORD_BITS] |= (uint64_t)1 << (run % WORD_BITS);
}

/* The first occupied bucket from `run` on; PAGE_HEAP_BUCKETS where there is none. */
static size_t bucket_seek(size_t run)
{
    for (size_t index = run / WORD_BITS; index <= ARENA_PAGES / WORD_BITS; index++) {
        uint64_t word = page_heap.occupied[index];
        if (index == run / WORD_BITS)
            word &= ~bits_mask(run % WORD_BITS);
        if (word != 0)
            return index * WORD_BITS + bits_lowest(word);
    }
    return PAGE_HEAP_BUCKETS;
}

/* Every change to an arena stands between these two, so that lists and sums follow. */
static void arena_begin_change(struct arena *arena)
{
    bucket_leave(arena);
    page_heap.owned_pages -= arena->owned_pages;
    page_heap.free_pages -= arena->free_pages;
    if (!list_is_empty(&arena->idle_link)) {
        list_remove(&arena->idle_link);
        page_heap.idle_arenas--;
    }
}

static void arena_end_change(struct arena *arena)
{
    bucket_enter(arena);
    page_heap.owned_pages += arena->owned_pages;
    page_heap.free_pages += arena->free_pages;
    if (arena_is_idle(arena)) {
        list_push_front(&page_heap.idle, &arena->idle_link);
        page_heap.idle_arenas++;
    }
    page_heap.busy_peak = max_u64(page_heap.busy_peak, page_heap.arenas - page_heap.idle_arenas);
}

/* `retire`: its memory was idle for long, so the port is told. */
static void arena_drop(struct arena *arena, bool retire)
{
    arena_begin_change(arena);
    page_heap.arenas--;
    arena_release(arena, retire);
}

/* ---- frames become pages; the lock is held ---- */

/* The part of [first, end) in the window of `first`. */
static size_t piece_in_window(size_t first, size_t end)
{
    return min_u64(end, round_up(first + 1, ARENA_PAGES)) - first;
}

/* Frames within one window become used pages of `span`, or free ones if that is NULL. */
static bool adopt_piece(size_t first, size_t pages, struct span *span)
{
    struct arena *arena = page_map_arena(first);
    bool known = arena != NULL;
    if (known)
        arena_begin_change(arena);
    bool needs_table = span == NULL || pages < ARENA_PAGES;
    struct arena *adopted = arena_adopt(first, pages, needs_table);
    if (adopted != NULL) {
        arena = adopted;
        if (span != NULL)
            arena_mark_used(arena, first, pages, span);
        page_heap.arenas += !known;
    }
    if (known || adopted != NULL)
        arena_end_change(arena);
    return adopted != NULL;
}

/*
 * Pages of a span become free. An idle window goes back at once if `eager`, or if it was all one
 * span and so has no table, without which it is of no use to others.
 */
static void free_piece(size_t first, size_t pages, bool eager)
{
    struct arena *arena = page_map_arena(first);
    arena_begin_change(arena);
    arena_mark_free(arena, first, pages);
    arena_end_change(arena);
    if (arena_is_idle(arena) && (eager || arena->table == NULL))
        arena_drop(arena, false);
}

static void free_pieces(size_t first, size_t pages)
{
    size_t end = first + pages;
    /* What came as contiguous frames goes back as such; see page_heap.h. */
    bool eager = piece_in_window(first, end) < pages;
    while (first < end) {
        size_t piece = piece_in_window(first, end);
        free_piece(first, piece, eager);
        first += piece;
    }
}

/* Frames in a row, of any number of windows, become `span`'s. False, with the frames given back. */
static bool adopt_frames(size_t first, size_t pages, struct span *span)
{
    size_t end = first + pages;
    size_t at = first;
    while (at < end && adopt_piece(at, piece_in_window(at, end), span))
        at += piece_in_window(at, end);
    if (at == end)
        return true;
    frame_allocator_free_range(&frames.allocator, quarry_port_cpu_number(), at, end - at);
    if (at > first)
        free_pieces(first, at - first);
    return false;
}

/* ---- taking ---- */

static size_t take_from(struct arena *arena, size_t pages, size_t align, struct span *span)
{
    unsigned offset = bitmap_best_fit(&arena->used, (unsigned)pages, (unsigned)align);
    if (offset == BITMAP_BITS)
        return NO_FRAME;
    size_t first = arena->first_page + offset;
    arena_begin_change(arena);
    arena_mark_used(arena, first, pages, span);
    arena_end_change(arena);
    return first;
}

/* Constant work: a run of pages + align - 1 has an aligned part for certain. */
static size_t take_best(size_t pages, size_t align, struct span *span)
{
    size_t bucket = bucket_seek(min_u64(pages + align - 1, ARENA_PAGES));
    if (bucket == PAGE_HEAP_BUCKETS)
        return NO_FRAME;
    struct list *front = page_heap.buckets[bucket].next;
    return take_from(container_of(front, struct arena, bucket_link), pages, align, span);
}

/* The last resort for aligned runs: each arena that might have one. */
static size_t take_by_search(size_t pages, size_t align, struct span *span)
{
    size_t bucket = bucket_seek(pages);
    while (bucket < PAGE_HEAP_BUCKETS) {
        list_for_each (node, &page_heap.buckets[bucket]) {
            struct arena *arena = container_of(node, struct arena, bucket_link);
            size_t first = take_from(arena, pages, align, span);
            if (first != NO_FRAME)
                return first;
        }
        bucket = bucket_seek(bucket + 1);
    }
    return NO_FRAME;
}

typedef size_t take_function(size_t pages, size_t align, struct span *span);

static size_t locked(take_function *take, size_t pages, size_t align, struct span *span)
{
    irq_state irq = spinlock_acquire(&page_heap.lock);
    size_t first = take(pages, align, span);
    spinlock_release(&page_heap.lock, irq);
    return first;
}

/* ---- growth; no lock is held ---- */

static bool adopt_as_free(size_t first, size_t count)
{
    irq_state irq = spinlock_acquire(&page_heap.lock);
    bool adopted = adopt_frames(first, count, NULL);
    spinlock_release(&page_heap.lock, irq);
    return adopted;
}

/* What is free of some window, with a run of `pages` in it; but for its last `spare` frames. */
static bool grow_by_remnant(size_t pages, size_t spare)
{
    struct frame_range piece = frame_allocator_alloc_remnant(&frames.allocator, pages + spare);
    if (piece.first == NO_FRAME)
        return false;
    size_t end = piece.end - spare;
    frame_allocator_free_range(&frames.allocator, quarry_port_cpu_number(), end, spare);
    return adopt_as_free(piece.first, end - piece.first);
}

/*
 * One more arena, whole if there is one, with a run of `pages` in any case. If the last free frames
 * are all in one piece, the arena's record and its table need two of them.
 */
static bool grow(size_t pages)
{
    size_t huge = frame_allocator_alloc(&frames.allocator, quarry_port_cpu_number(), CHILD_SHIFT);
    if (huge != NO_FRAME)
        return adopt_as_free(huge, ARENA_PAGES);
    return grow_by_remnant(pages, 0) || grow_by_remnant(pages, 2);
}

static size_t alloc_in_arena(size_t pages, size_t align, struct span *span)
{
    size_t first;
    do {
        first = locked(take_best, pages, align, span);
    } while (first == NO_FRAME && grow(min_u64(pages + align - 1, ARENA_PAGES)));
    if (first == NO_FRAME && align > 1)
        first = locked(take_by_search, pages, align, span);
    return first;
}

/* More than an arena, or aligned to more. Arenas' borders are preferred: they need no tables. */
static size_t alloc_contiguous(size_t pages, size_t align, struct span *span)
{
    size_t first =
        frame_allocator_alloc_range(&frames.allocator, pages, max_u64(align, ARENA_PAGES), 0);
    if (first == NO_FRAME && align < ARENA_PAGES)
        first = frame_allocator_alloc_range(&frames.allocator, pages, align, 0);
    if (first == NO_FRAME)
        return NO_FRAME;
    irq_state irq = spinlock_acquire(&page_heap.lock);
    bool adopted = adopt_frames(first, pages, span);
    spinlock_release(&page_heap.lock, irq);
    return adopted ? first : NO_FRAME;
}

size_t page_heap_alloc(size_t pages, size_t align, struct span *span)
{
    if (pages > ARENA_PAGES || align > ARENA_PAGES)
        return alloc_contiguous(pages, align, span);
    return alloc_in_arena(pages, align, span);
}

/* ---- giving back, growing in place ---- */

void page_heap_free(size_t first_page, size_t pages)
{
    irq_state irq = spinlock_acquire(&page_heap.lock);
    free_pieces(first_page, pages);
    spinlock_release(&page_heap.lock, irq);
}

/* Pages of one window: free ones of its arena, or frames that are free. The lock is held. */
static bool extend_piece(size_t first, size_t pages, struct span *span)
{
    struct arena *arena = page_map_arena(first);
    size_t offset = first % ARENA_PAGES;
    if (arena == NULL || !bitmap_all_clear(&arena->used, (unsigned)offset, (unsigned)pages))
        return frame_allocator_claim(&frames.allocator, first, pages) &&
               adopt_frames(first, pages, span);
    arena_begin_change(arena);
    arena_mark_used(arena, first, pages, span);
    arena_end_change(arena);
    return true;
}

bool page_heap_extend(size_t first_page, size_t pages, size_t more, struct span *span)
{
    size_t start = first_page + pages;
    size_t end = start + more;
    size_t at = start;
    irq_state irq = spinlock_acquire(&page_heap.lock);
    while (at < end && extend_piece(at, piece_in_window(at, end), span))
        at += piece_in_window(at, end);
    if (at < end && at > start)
        free_pieces(start, at - start);
    spinlock_release(&page_heap.lock, irq);
    return at == end;
}

void *page_heap_lend_page(void)
{
    void *page = NULL;
    irq_state irq = spinlock_acquire(&page_heap.lock);
    size_t bucket = bucket_seek(1);
    if (bucket < PAGE_HEAP_BUCKETS) {
        struct list *front = page_heap.buckets[bucket].next;
        struct arena *arena = container_of(front, struct arena, bucket_link);
        size_t number = arena->first_page + bitmap_best_fit(&arena->used, 1, 1);
        arena_begin_change(arena);
        arena_disown(arena, number, 1);
        arena_end_change(arena);
        page = frame_address(number);
    }
    spinlock_release(&page_heap.lock, irq);
    return page;
}

bool page_heap_split(size_t page)
{
    irq_state irq = spinlock_acquire(&page_heap.lock);
    bool split = page % ARENA_PAGES == 0 || arena_split(page_map_arena(page));
    spinlock_release(&page_heap.lock, irq);
    return split;
}

size_t page_heap_release_idle(size_t arenas)
{
    size_t released = 0;
    irq_state irq = spinlock_acquire(&page_heap.lock);
    for (size_t i = 0; i < arenas && !list_is_empty(&page_heap.idle); i++) {
        struct arena *arena = container_of(page_heap.idle.previous, struct arena, idle_link);
        released += arena->owned_pages;
        arena_drop(arena, true);
    }
    spinlock_release(&page_heap.lock, irq);
    return released;
}

/* The arena's longest free run goes to the frame allocator; returns its frames. */
static size_t give_up_run(struct arena *arena)
{
    struct bitmap_run run = bitmap_longest_clear_run(&arena->used);
    size_t first = arena->first_page + run.first;
    arena_begin_change(arena);
    arena_disown(arena, first, run.length);
    arena_end_change(arena);
    frames_give_range(first, run.length, true);
    return run.length;
}

/* NULL: there is none of at least `run` pages. */
static struct arena *with_longest_run(size_t run)
{
    for (size_t bucket = PAGE_HEAP_BUCKETS - 1; bucket >= run; bucket--)
        if (!list_is_empty(&page_heap.buckets[bucket]))
            return container_of(page_heap.buckets[bucket].next, struct arena, bucket_link);
    return NULL;
}

size_t page_heap_give_up_free(size_t least_frames, size_t run)
{
    size_t given = 0;
    struct arena *arena;
    irq_state irq = spinlock_acquire(&page_heap.lock);
    while (given < least_frames && (arena = with_longest_run(run)) != NULL)
        given += give_up_run(arena);
    spinlock_release(&page_heap.lock, irq);
    return given;
}

/* ---- verify ---- */

static void verify_arena_place(const struct arena *arena, size_t bucket)
{
    arena_verify(arena);
    CHECK(arena->longest_run == bucket, "quarry: the arena at page %#zx is in bucket %zu",
          arena->first_page, bucket);
    CHECK(arena_is_idle(arena) == !list_is_empty(&arena->idle_link),
          "quarry: the arena at page %#zx is on the wrong side of the idle list",
          arena->first_page);
}

void page_heap_verify(void)
{
    irq_state irq = spinlock_acquire(&page_heap.lock);
    size_t arenas = 0;
    size_t idle = 0;
    size_t owned = 0;
    size_t free_pages = 0;
    for (size_t bucket = 0; bucket < PAGE_HEAP_BUCKETS; bucket++) {
        list_for_each (node, &page_heap.buckets[bucket]) {
            const struct arena *arena = container_of(node, struct arena, bucket_link);
            verify_arena_place(arena, bucket);
            arenas++;
            idle += arena_is_idle(arena);
            owned += arena->owned_pages;
            free_pages += arena->free_pages;
        }
        bool marked = page_heap.occupied[bucket / WORD_BITS] >> (bucket % WORD_BITS) & 1;
        CHECK(marked == !list_is_empty(&page_heap.buckets[bucket]),
              "quarry: page heap bucket %zu is marked wrongly", bucket);
    }
    CHECK(arenas == page_heap.arenas && idle == page_heap.idle_arenas &&
              owned == page_heap.owned_pages && free_pages == page_heap.free_pages,
          "quarry: the page heap counts %zu arenas, %zu idle, %zu pages, %zu free; "
          "there are %zu, %zu, %zu, %zu",
          page_heap.arenas, page_heap.idle_arenas, page_heap.owned_pages, page_heap.free_pages,
          arenas, idle, owned, free_pages);
    spinlock_release(&page_heap.lock, irq);
    metadata_pool_verify(&arena_pool);
}
