/* SPDX-License-Identifier: MIT */
/*
 * Corrupted metadata: one field of one structure is changed, and quarry_verify() must report which
 * structures disagree. Each check of each *_verify() is tested here.
 */
#include <quarry/config.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "lib/check.h"
#include "mm/frames/frames.h"
#include "mm/objects/cpu_cache.h"
#include "mm/pages/arena.h"
#include "mm/pages/page_heap.h"
#include "mm/pages/span.h"
#include "tests/framework/test.h"

#define KIB ((size_t)1024)

/* Every heap that is corrupted has one small object, one large object and one idle arena. */
static void *small_object;
static void *large_object;
static struct span *span;   /* of the small object */
static struct arena *arena; /* of both objects */
static struct arena *idle;

static void build(void)
{
    large_object = quarry_alloc(1100 * KIB);
    small_object = quarry_alloc(300);
    void *freed = quarry_alloc(1900 * KIB); /* does not fit into the first arena */
    span = span_of_address(small_object);
    arena = page_map_arena(page_of_address(large_object));
    idle = page_map_arena(page_of_address(freed));
    quarry_free(freed);
    quarry_verify();
}

/* ---- spans ---- */

static void span_counts_a_slot_too_many(void)
{
    span->used_slots++;
}

static void span_counts_a_slot_too_few(void)
{
    span->used_slots--;
}

static void span_has_bits_behind_its_last_slot(void)
{
    span->bitmap[(span->slots - 1) / 64] |= (uint64_t)1 << 63;
}

static void span_searches_from_a_wrong_word(void)
{
    span->search_from = 2;
}

static void span_page_is_not_in_the_table(void)
{
    page_map_arena(span->first_page)->table[(span->first_page + 1) % ARENA_PAGES] = NULL;
}

static void last_span_page_is_not_in_the_table(void)
{
    page_map_arena(span->first_page)->table[(span->first_page + span->pages - 1) % ARENA_PAGES] =
        NULL;
}

static void page_has_another_cache_id(void)
{
    page_map.cache_ids[span->first_page + span->pages - 1]++;
}

static void span_is_on_the_wrong_list(void)
{
    span->state = SPAN_FULL;
}

static void span_is_on_no_list(void)
{
    list_remove(&span->link);
}

/* ---- arenas ---- */

static void arena_counts_free_pages_wrongly(void)
{
    arena->free_pages++;
}

static void arena_counts_owned_pages_wrongly(void)
{
    arena->owned_pages--;
}

static void arena_has_another_longest_run(void)
{
    arena->longest_run++;
}

static void arena_has_a_free_page_that_it_does_not_own(void)
{
    bitmap_clear(&arena->owned, ARENA_PAGES - 1, 1);
    arena->owned_pages--;
}

static void arena_does_not_own_its_free_first_page(void)
{
    bitmap_clear(&idle->owned, 0, 1);
    idle->owned_pages--;
}

static void arena_is_not_in_the_page_map(void)
{
    page_map.arenas[idle->first_page / ARENA_PAGES] = NULL;
}

static void arena_is_in_the_wrong_bucket(void)
{
    list_remove(&arena->bucket_link);
    list_push_front(&page_heaps[0].buckets[1], &arena->bucket_link);
    page_heaps[0].occupied[0] |= 2;
}

static void idle_arena_is_not_on_its_list(void)
{
    list_remove(&idle->idle_link);
}

static void busy_arena_is_on_the_idle_list(void)
{
    list_push_front(&page_heaps[0].idle, &arena->idle_link);
}

/* ---- the page heap's sums ---- */

static void bucket_is_marked_wrongly(void)
{
    page_heaps[0].occupied[3] ^= 1u << 7;
}

static void last_bucket_is_marked_wrongly(void)
{
    page_heaps[0].occupied[ARENA_PAGES / 64] ^= 1u << ARENA_PAGES % 64;
}

static void page_heap_counts_arenas_wrongly(void)
{
    page_heaps[0].arenas++;
}

static void page_heap_counts_idle_arenas_wrongly(void)
{
    page_heaps[0].idle_arenas++;
}

static void page_heap_counts_pages_wrongly(void)
{
    page_heaps[0].owned_pages++;
}

static void page_heap_counts_free_pages_wrongly(void)
{
    page_heaps[0].free_pages--;
}

/* ---- pools of descriptors ---- */

/* The page of an item begins with a list node, the first free item and the count. */
static void pool_page_counts_wrongly(void)
{
    size_t *count = (size_t *)(((uintptr_t)span & ~(FRAME_BYTES - 1)) + 24);
    ++*count;
}

static void pool_counts_wrongly(void)
{
    arena_pool.items++;
}

static void pool_counts_pages_wrongly(void)
{
    arena_pool.pages++;
}

/* ---- a CPU's cache ---- */

static struct cpu_cache *cache(void)
{
    return cpu_cache_here();
}

static void **bottom(unsigned size_class)
{
    return cache()->magazines[size_class].bottom;
}

static void sentinel_is_not_empty(void)
{
    cache()->sentinel[0] = small_object;
}

static void sentinel_of_another_cpu_is_not_full(void)
{
    if (cpu_cache_count() > 1)
        cpu_cache_of(1)->sentinel[1] = NULL;
    else
        stop_with("quarry: the sentinel of cpu 1 was overwritten (not tested: there is one CPU)");
}

static void sentinel_is_not_full(void)
{
    cache()->sentinel[1] = NULL;
}

static void top_of_id_0_is_not_at_the_sentinel(void)
{
    cache()->block->top[0] = &cache()->sentinel[1];
}

static void magazine_has_no_bottom(void)
{
    *bottom(5) = small_object;
}

static void magazine_has_no_end(void)
{
    bottom(span->cache_id)[cache()->magazines[span->cache_id].capacity + 1] = (void *)0x55;
}

static void magazine_holds_more_than_its_capacity(void)
{
    cache()->block->top[5] += 1;
}

static void capacities_are_not_the_sum_granted(void)
{
    cache()->granted_bytes += 8;
}

static void capacities_exceed_the_budget(void)
{
    cache()->budget_bytes = cache()->granted_bytes - 1;
}

static void magazine_holds_a_foreign_pointer(void)
{
    *cache()->block->top[span->cache_id] = &span;
}

static void magazine_holds_an_interior_pointer(void)
{
    *cache()->block->top[span->cache_id] = (char *)small_object + 8;
}

static void magazine_holds_a_free_slot(void)
{
    unsigned slot = 0;
    while (span_slot_used(span, slot))
        slot++;
    *cache()->block->top[span->cache_id] = (void *)span_slot_address(span, slot);
}

static void magazine_holds_an_object_of_another_id(void)
{
    *cache()->block->top[span->cache_id] = large_object;
}

/* ---- frames ---- */

static struct frame_allocator *allocator(void)
{
    return &frames.nodes[0].allocator;
}

static size_t ready_child(void)
{
    return arena->first_page / CHILD_FRAMES;
}

static void child_counts_wrongly(void)
{
    allocator()->children[ready_child()] ^= 1;
}

static void huge_child_has_an_allocated_frame(void)
{
    allocator()->bits[ready_child()].word[2] ^= 16;
}

static void tree_counts_wrongly(void)
{
    allocator()->trees[ready_child() / QUARRY_TREE_CHILDREN]++;
}

static void tree_is_marked_as_reserved_wrongly(void)
{
    allocator()->trees[ready_child() / QUARRY_TREE_CHILDREN] ^= TREE_RESERVED;
}

static void reservation_has_a_frame_too_many(void)
{
    for (unsigned i = 0; i < frame_reservation_count(allocator()); i++)
        if (allocator()->reservations[i].word & RESERVATION_PRESENT) {
            allocator()->reservations[i].word++;
            return;
        }
}

static const struct corruption {
    void (*corrupt)(void);
    const char *report;
} corruptions[] = {
    {span_counts_a_slot_too_many, "slots in use, its bitmap"},
    {span_counts_a_slot_too_few, "slots in use, its bitmap"},
    {span_has_bits_behind_its_last_slot, "has slots in use behind its"},
    {span_searches_from_a_wrong_word, "has free slots before word 2"},
    {span_page_is_not_in_the_table, "is not known as part of the span at"},
    {last_span_page_is_not_in_the_table, "is not known as part of the span at"},
    {page_has_another_cache_id, "is not known as part of the span at"},
    {span_is_on_the_wrong_list, "slots used, is on list 1 of"},
    {span_is_on_no_list, "quarry: central list"},
    {arena_counts_free_pages_wrongly, "its bits say"},
    {arena_counts_owned_pages_wrongly, "its bits say"},
    {arena_has_another_longest_run, "its bits say"},
    {arena_does_not_own_its_free_first_page, "offers pages that it does not own"},
    {arena_has_a_free_page_that_it_does_not_own, "offers pages that it does not own"},
    {arena_is_not_in_the_page_map, "the page map does not know the arena at page"},
    {arena_is_in_the_wrong_bucket, "is in bucket 1"},
    {idle_arena_is_not_on_its_list, "is on the wrong side of the idle list"},
    {busy_arena_is_on_the_idle_list, "is on the wrong side of the idle list"},
    {bucket_is_marked_wrongly, "bucket 199 is marked wrongly"},
    {last_bucket_is_marked_wrongly, "bucket 512 is marked wrongly"},
    {page_heap_counts_arenas_wrongly, "the page heap counts"},
    {page_heap_counts_idle_arenas_wrongly, "the page heap counts"},
    {page_heap_counts_pages_wrongly, "the page heap counts"},
    {page_heap_counts_free_pages_wrongly, "the page heap counts"},
    {pool_page_counts_wrongly, "quarry: metadata page"},
    {pool_counts_wrongly, "quarry: a metadata pool of"},
    {pool_counts_pages_wrongly, "quarry: a metadata pool of"},
    {sentinel_is_not_empty, "the sentinel of cpu 0 was overwritten"},
    {sentinel_is_not_full, "the sentinel of cpu 0 was overwritten"},
    {top_of_id_0_is_not_at_the_sentinel, "the sentinel of cpu 0 was overwritten"},
    {magazine_has_no_bottom, "the magazine of cpu 0, cache id 5"},
    {magazine_has_no_end,
     "the magazine of cpu 0, cache id\nsentinels 0x0000000000000000 0x0000000000000055"},
    {sentinel_of_another_cpu_is_not_full, "the sentinel of cpu 1 was overwritten"},
    {magazine_holds_more_than_its_capacity, "the magazine of cpu 0, cache id 5"},
    {capacities_are_not_the_sum_granted, "the cache of cpu 0 was granted"},
    {capacities_exceed_the_budget, "the cache of cpu 0 was granted"},
    {magazine_holds_a_foreign_pointer, "bad free (found in a CPU's cache): foreign pointer"},
    {magazine_holds_an_interior_pointer, "bad free (found in a CPU's cache): interior pointer"},
    {magazine_holds_an_object_of_another_id, "bad free (found in a CPU's cache)"},
    {magazine_holds_a_free_slot, "bad free (found in a CPU's cache): "},
    {child_counts_wrongly, "has the entry"},
    {huge_child_has_an_allocated_frame, "has the entry"},
    {tree_counts_wrongly, "free frames and"},
    {tree_is_marked_as_reserved_wrongly, "reservations"},
    {reservation_has_a_frame_too_many, "free frames and"},
};

static void corrupt_and_verify(void *argument)
{
    const struct corruption *corruption = argument;
    build();
    corruption->corrupt();
    quarry_verify();
}

TEST(corrupted_metadata_is_reported_by_verify)
{
    test_heap_fresh();
    for (unsigned i = 0; i < sizeof corruptions / sizeof corruptions[0]; i++)
        test_expect_stop(corrupt_and_verify, (void *)&corruptions[i], corruptions[i].report);
}

/* A page without a span has a cache id. A free there is reported when the magazine is drained. */
static void free_to_a_page_without_span(void *argument)
{
    (void)argument;
    build();
    size_t page = idle->first_page + 7;
    page_map_set_cache_id(page, 1, 5);
    quarry_free((void *)page_address(page));
    quarry_scavenge();
}

static void free_with_another_cache_id(void *argument)
{
    (void)argument;
    build();
    page_map_set_cache_id(span->first_page, span->pages, span->cache_id + 1u);
    quarry_free(small_object);
    quarry_scavenge();
}

static void usable_size_with_another_cache_id(void *argument)
{
    (void)argument;
    build();
    page_map_set_cache_id(span->first_page, span->pages, span->cache_id + 1u);
    quarry_usable_size(small_object);
}

TEST(corrupted_page_map_is_reported_by_free)
{
    test_heap_fresh();
    test_expect_stop(free_to_a_page_without_span, NULL, "quarry: bad free: pointer to free memory");
    test_expect_stop(usable_size_with_another_cache_id, NULL, "quarry: bad usable size");
    /* From level 1 on a free takes the id from the span, where it is right. */
    if (QUARRY_HARDEN == 0)
        test_expect_stop(free_with_another_cache_id, NULL,
                         "quarry: bad free: double free\nallocated");
}

/* A child without memory, between two ranges of memory. */
static void make_absent_child_present(void *argument)
{
    (void)argument;
    for (size_t child = 0; child < frames.nodes[0].allocator.frontier * QUARRY_TREE_CHILDREN;
         child++)
        if (frames.nodes[0].allocator.children[child] == CHILD_HOLES &&
            !memory_map_may_own(frames.nodes[0].allocator.map, child << CHILD_SHIFT,
                                (child + 1) << CHILD_SHIFT)) {
            frames.nodes[0].allocator.children[child] = CHILD_FRAMES;
            quarry_verify();
        }
}

TEST(corrupted_absent_child_is_reported_by_verify)
{
    test_heap_fresh();
    while (frame_frontier_advance(&frames.nodes[0].allocator))
        continue;
    quarry_verify();
    bool has_absent = false;
    for (size_t child = 0; child < frames.nodes[0].allocator.frontier * QUARRY_TREE_CHILDREN;
         child++)
        has_absent =
            has_absent || !memory_map_may_own(frames.nodes[0].allocator.map, child << CHILD_SHIFT,
                                              (child + 1) << CHILD_SHIFT);
    if (has_absent)
        test_expect_stop(make_absent_child_present, NULL, "quarry: absent child");
    else
        test_skip("all 2 MiB blocks have memory");
    test_heap_fresh();
}
