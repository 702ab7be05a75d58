/* SPDX-License-Identifier: MIT */
/* Pages: metadata pools, the page heap's choice of arenas, spans and their slots, the scavenger. */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/quarry.h>

#include "lib/bits.h"
#include "lib/fault.h"
#include "lib/random.h"
#include "mm/frames/frames.h"
#include "mm/kinds/large.h"
#include "mm/pages/metadata_pool.h"
#include "mm/pages/page_heap.h"
#include "mm/pages/span.h"
#include "mm/reclaim/scavenger.h"
#include "tests/framework/test.h"

TEST(metadata_pool_items_are_distinct_and_all_pages_are_freed)
{
    test_heap_fresh();
    size_t frames_before = quarry_frame_free_count();
    struct metadata_pool pool;
    metadata_pool_init(&pool, 130);
    EXPECT(pool.item_bytes == 192);
    enum { COUNT = 100 };
    unsigned char *items[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        items[i] = metadata_pool_alloc(&pool);
        REQUIRE(items[i] != NULL && (uintptr_t)items[i] % 64 == 0);
        quarry_port_fill(items[i], (unsigned char)i, 192);
    }
    metadata_pool_verify(&pool);
    EXPECT(pool.pages == 5);
    for (unsigned i = 0; i < COUNT; i++) {
        REQUIRE(items[i][0] == i && items[i][191] == i);
        metadata_pool_free(&pool, items[i]);
    }
    metadata_pool_verify(&pool);
    EXPECT(pool.pages == 1);
    metadata_pool_drain(&pool);
    EXPECT(pool.pages == 0 && quarry_frame_free_count() == frames_before);
    metadata_pool_init(&pool, 65);
    EXPECT(pool.item_bytes == 128);
}

/* A drain takes the empty pages from the end of the list, and finds all of them. */
TEST(metadata_pool_empty_pages_stand_behind_the_others)
{
    test_heap_fresh();
    enum { PER_PAGE = (FRAME_BYTES - 64) / 192, PAGES = 3 };
    struct metadata_pool pool;
    metadata_pool_init(&pool, 192);
    void *items[PAGES * PER_PAGE];
    for (unsigned i = 0; i < PAGES * PER_PAGE; i++)
        items[i] = metadata_pool_alloc(&pool);
    EXPECT(pool.pages == PAGES);
    metadata_pool_free(&pool, items[0]);
    metadata_pool_feed(&pool, frames_alloc_page());
    metadata_pool_feed(&pool, frames_alloc_page());
    metadata_pool_free(&pool, items[PER_PAGE]);
    metadata_pool_verify(&pool);
    EXPECT(pool.pages == PAGES + 2 && metadata_pool_drain(&pool) == 2);
    for (unsigned i = 1; i < PAGES * PER_PAGE; i++)
        if (i != PER_PAGE)
            metadata_pool_free(&pool, items[i]);
    metadata_pool_verify(&pool);
    EXPECT(metadata_pool_drain(&pool) == 1 && pool.pages == 0);
}

/* ---- the page heap ---- */

TEST(page_heap_fills_the_fullest_arena_first)
{
    test_heap_fresh();
    struct span *first = span_create_large(400, 1);  /* first arena: 112 pages are free */
    struct span *second = span_create_large(300, 1); /* second arena: 212 pages are free */
    REQUIRE(first != NULL && second != NULL);
    size_t first_arena = first->first_page / ARENA_PAGES;
    EXPECT(second->first_page / ARENA_PAGES != first_arena);
    struct span *small = span_create_large(100, 1);
    REQUIRE(small != NULL);
    EXPECT(small->first_page / ARENA_PAGES == first_arena);
    struct span *middle = span_create_large(150, 1);
    REQUIRE(middle != NULL);
    EXPECT(middle->first_page / ARENA_PAGES == second->first_page / ARENA_PAGES);
    page_heap_verify(&page_heaps[0]);
    span_destroy(first);
    span_destroy(second);
    span_destroy(small);
    span_destroy(middle);
    page_heap_verify(&page_heaps[0]);
    EXPECT(page_heaps[0].idle_arenas == 2 && page_heaps[0].arenas == 2);
}

/* Of two arenas with the same longest run the fuller one is used. */
TEST(page_heap_prefers_the_fuller_of_two_arenas)
{
    test_heap_fresh();
    struct span *low[4];
    struct span *high[4];
    for (unsigned i = 0; i < 4; i++)
        low[i] = span_create_large(128, 1); /* together a whole arena */
    for (unsigned i = 0; i < 4; i++)
        high[i] = span_create_large(128, 1);
    REQUIRE(low[3] != NULL && high[3] != NULL);
    size_t low_arena = low[0]->first_page / ARENA_PAGES;
    size_t high_arena = high[0]->first_page / ARENA_PAGES;
    EXPECT(low_arena != high_arena && low[3]->first_page / ARENA_PAGES == low_arena);
    /* One free run of 128 pages in the high arena, two in the low one. */
    span_destroy(low[0]);
    span_destroy(low[2]);
    span_destroy(high[1]);
    struct span *chosen = span_create_large(100, 1);
    REQUIRE(chosen != NULL);
    EXPECT(chosen->first_page / ARENA_PAGES == high_arena);
    span_destroy(chosen);
    /* Now two in both, and again one in one of them. */
    span_destroy(high[3]);
    struct span *fill = span_create_large(128, 1);
    REQUIRE(fill != NULL);
    page_heap_verify(&page_heaps[0]);
    span_destroy(fill);
    page_heap_verify(&page_heaps[0]);
}

/* The same when the emptier arena gets its run last. */
TEST(page_heap_uses_the_emptier_of_two_arenas_last)
{
    test_heap_fresh();
    struct span *low[3];
    struct span *high[3];
    for (unsigned i = 0; i < 3; i++)
        low[i] = span_create_large(i == 0 ? 256 : 128, 1); /* together a whole arena */
    for (unsigned i = 0; i < 3; i++)
        high[i] = span_create_large(i == 0 ? 256 : 128, 1);
    REQUIRE(low[2] != NULL && high[2] != NULL);
    size_t low_arena = low[0]->first_page / ARENA_PAGES;
    EXPECT(low[2]->first_page / ARENA_PAGES == low_arena);
    EXPECT(high[0]->first_page / ARENA_PAGES == high[2]->first_page / ARENA_PAGES);
    /* The high arena has one more free page, but no longer run than the low one. */
    REQUIRE(span_resize(high[0], 255));
    span_destroy(low[1]);
    span_destroy(high[2]);
    struct span *chosen = span_create_large(128, 1);
    REQUIRE(chosen != NULL);
    EXPECT(chosen->first_page / ARENA_PAGES == low_arena);
    page_heap_verify(&page_heaps[0]);
}

/* Objects of whole pages are adjacent: an object has no alignment that was not requested. */
TEST(page_heap_puts_large_objects_side_by_side)
{
    test_heap_fresh();
    const struct object_request request = {.bytes = 33 * QUARRY_FRAME_BYTES, .alignment = 1};
    char *first = large_alloc(&request);
    char *second = large_alloc(&request);
    size_t each = (33 + (QUARRY_HARDEN > 0)) * (size_t)QUARRY_FRAME_BYTES;
    REQUIRE(first != NULL && second != NULL);
    EXPECT((size_t)(second > first ? second - first : first - second) == each);
}

TEST(page_heap_records_the_peak_of_busy_arenas)
{
    test_heap_fresh();
    struct span *spans[3];
    for (unsigned i = 0; i < 3; i++)
        spans[i] = span_create_large(ARENA_PAGES, 1);
    REQUIRE(spans[2] != NULL);
    EXPECT(page_heaps[0].busy_peak == 3);
    for (unsigned i = 0; i < 3; i++)
        span_destroy(spans[i]);
    EXPECT(page_heaps[0].busy_peak == 3 && page_heaps[0].idle_arenas == 3);
}

/* Pages behind the bound of the page map are foreign, whatever their entries are. */
TEST(page_map_ends_at_its_bound)
{
    test_heap_fresh();
    quarry_free(quarry_alloc(100));
    size_t bound = page_map.bound;
    REQUIRE(bound > 0 && bound <= page_map.capacity);
    EXPECT(page_map_cache_id((void *)page_address(bound - 1)) == page_map.cache_ids[bound - 1]);
    if (bound < page_map.capacity)
        page_map.cache_ids[bound] = 5;
    EXPECT(page_map_cache_id((void *)page_address(bound)) == 0);
    EXPECT(page_map_arena(bound) == NULL);
}

/* A span of whole 2 MiB blocks has no tables. It shrinks to one page of its last block. */
TEST(page_heap_shrinks_to_the_first_page_of_a_block)
{
    test_heap_fresh();
    struct span *span = span_create_large(2 * ARENA_PAGES, 1);
    REQUIRE(span != NULL && span->first_page % ARENA_PAGES == 0);
    EXPECT(span_resize(span, ARENA_PAGES + 1));
    page_heap_verify(&page_heaps[0]);
    EXPECT(arena_span(span->first_page + ARENA_PAGES) == span);
    EXPECT(arena_span(span->first_page + ARENA_PAGES + 1) == NULL);
    span_destroy(span);
    page_heap_verify(&page_heaps[0]);
}

/* A span does not shrink if there is no memory for the block's table. */
TEST(page_heap_does_not_shrink_without_a_table)
{
    if (!QUARRY_FAULTS) {
        test_skip("QUARRY_FAULTS is 0");
        return;
    }
    test_heap_fresh();
    struct span *span = span_create_large(2 * ARENA_PAGES, 1);
    REQUIRE(span != NULL);
    fault_arm_every(FAULT_ALL_SITES, 1);
    EXPECT(!span_resize(span, ARENA_PAGES + 1));
    fault_disarm();
    EXPECT(span->pages == 2 * ARENA_PAGES);
    page_heap_verify(&page_heaps[0]);
    span_destroy(span);
    page_heap_verify(&page_heaps[0]);
}

/*
 * The last way to an aligned run: there is no more memory, and no arena has a free run that is so
 * long that it must contain an aligned one. All arenas are searched for one.
 */
TEST(page_heap_searches_for_aligned_runs_when_out_of_memory)
{
    test_heap_fresh();
    if (test_skip_large_machine())
        return;
    enum { PIECES = ARENA_PAGES / 8 };
    struct span *low[PIECES];
    struct span *high[PIECES];
    for (unsigned i = 0; i < PIECES; i++)
        low[i] = span_create_large(8, 1);
    for (unsigned i = 0; i < PIECES; i++)
        high[i] = span_create_large(8, 1);
    REQUIRE(low[0] != NULL && high[PIECES - 1] != NULL);
    REQUIRE(low[0]->first_page % ARENA_PAGES == 0 && high[0]->first_page % ARENA_PAGES == 0);
    while (quarry_frame_alloc(QUARRY_ORDER_HUGE) != 0)
        continue;
    while (quarry_frame_alloc(0) != 0)
        continue;
    /* 16 pages from page 8 on: no 16 pages at a multiple of 16. */
    span_destroy(low[1]);
    span_destroy(low[2]);
    EXPECT(page_heap_alloc(&page_heaps[0], 16, 16, low[0]) == NO_FRAME);
    /* 17 pages from page 47 on in the other arena: 48 to 63 are at a multiple of 16. */
    size_t aligned = high[6]->first_page;
    REQUIRE(span_resize(high[5], 7));
    span_destroy(high[6]);
    span_destroy(high[7]);
    EXPECT(aligned % 16 == 0 && page_heap_alloc(&page_heaps[0], 16, 16, high[0]) == aligned);
    test_heap_fresh();
}

TEST(page_heap_merges_freed_runs)
{
    test_heap_fresh();
    struct span *spans[8];
    for (unsigned i = 0; i < 8; i++) {
        spans[i] = span_create_large(64, 1);
        REQUIRE(spans[i] != NULL);
    }
    EXPECT(page_heaps[0].arenas == 1 && page_heaps[0].free_pages == 0);
    span_destroy(spans[2]);
    span_destroy(spans[4]);
    struct span *both = span_create_large(128, 1);
    EXPECT(both != NULL && page_heaps[0].arenas == 2);
    span_destroy(spans[3]);
    struct span *merged = span_create_large(192, 1);
    EXPECT(merged != NULL && merged->first_page == spans[1]->first_page + 64);
    page_heap_verify(&page_heaps[0]);
}

TEST(page_heap_finds_aligned_runs)
{
    test_heap_fresh();
    struct random random = random_seeded(5);
    for (unsigned i = 0; i < 200; i++) {
        size_t align = (size_t)1 << random_below(&random, 10);
        size_t pages = 1 + random_below(&random, 90);
        struct span *span = span_create_large(pages, align);
        REQUIRE(span != NULL && span->first_page % align == 0);
        if (i % 3 != 0)
            span_destroy(span);
    }
    page_heap_verify(&page_heaps[0]);
}

TEST(page_heap_uses_single_frames_when_no_huge_frame_is_left)
{
    test_heap_fresh();
    size_t huge = 0;
    while (quarry_frame_alloc(QUARRY_ORDER_HUGE) != 0)
        huge++;
    EXPECT(huge > 10);
    size_t single = quarry_frame_free_count();
    REQUIRE(single > 20);
    struct span *span = span_create_large(3, 1);
    REQUIRE(span != NULL);
    page_heap_verify(&page_heaps[0]);
    EXPECT(page_heaps[0].arenas == 1 && page_heaps[0].owned_pages < ARENA_PAGES);
    /* The block's other frames are allocated later: the arena grows. */
    size_t pages = 3;
    while (span_create_large(1, 1) != NULL)
        pages++;
    page_heap_verify(&page_heaps[0]);
    test_note("%zu pages of %zu single frames, in %zu arenas; %zu pages and %zu frames are free",
              pages, single, page_heaps[0].arenas, page_heaps[0].free_pages,
              quarry_frame_free_count());
    /* One page in 32 holds the descriptors of such short spans (one in 16 if they have two
     * bitmaps), and one per arena its table. */
    EXPECT(pages + page_heaps[0].arenas + 4 >
           (QUARRY_HARDEN ? single * 15 / 16 : single * 31 / 32));
}

/* The last frames are one run. The descriptors of its pages must be allocated from it too. */
TEST(page_heap_uses_the_last_run_of_frames)
{
    test_heap_fresh();
    if (test_skip_large_machine())
        return;
    uint64_t run = quarry_frame_alloc_range(10, 0, 0);
    while (quarry_frame_alloc(QUARRY_ORDER_HUGE) != 0)
        continue;
    while (quarry_frame_alloc(0) != 0)
        continue;
    quarry_frame_free_range(run, 10);
    struct span *span = span_create_large(3, 1);
    REQUIRE(run != 0 && span != NULL);
    page_heap_verify(&page_heaps[0]);
    EXPECT(span_create_large(3, 1) != NULL);
    page_heap_verify(&page_heaps[0]);
    test_heap_fresh();
}

TEST(page_heap_large_runs_own_only_their_pages)
{
    test_heap_fresh();
    size_t before = quarry_frame_free_count();
    struct span *span = span_create_large(3 * ARENA_PAGES + 5, 1);
    REQUIRE(span != NULL);
    EXPECT(page_heaps[0].owned_pages == 3 * ARENA_PAGES + 5 && page_heaps[0].free_pages == 0);
    for (size_t page = span->first_page; page < span->first_page + span->pages; page++)
        REQUIRE(arena_span(page) == span);
    EXPECT(arena_span(span->first_page + span->pages) == NULL);
    page_heap_verify(&page_heaps[0]);
    span_destroy(span);
    EXPECT(page_heaps[0].arenas == 0);
    page_heap_release_idle(&page_heaps[0], SIZE_MAX);
    metadata_pool_drain(&arena_pool);
    span_drain_pools();
    EXPECT(quarry_frame_free_count() == before);
}

TEST(span_resizes_in_place)
{
    test_heap_fresh();
    size_t before = quarry_frame_free_count();
    struct span *span = span_create_large(10, 1);
    REQUIRE(span != NULL && span_resize(span, 500) && span->pages == 500);
    EXPECT(arena_span(span->first_page + 499) == span);
    struct span *behind = span_create_large(5, 1);
    EXPECT(behind != NULL && !span_resize(span, 510) && span->pages == 500);
    span_destroy(behind);
    /* Beyond the arena's end: the frames of the next block are free. */
    EXPECT(span_resize(span, 512 + 700) && arena_span(span->first_page + 1211) == span);
    page_heap_verify(&page_heaps[0]);
    EXPECT(span_resize(span, 512 + 100) && arena_span(span->first_page + 612) == NULL);
    page_heap_verify(&page_heaps[0]);
    EXPECT(span_resize(span, 1) && span->pages == 1);
    page_heap_verify(&page_heaps[0]);
    span_destroy(span);
    page_heap_release_idle(&page_heaps[0], SIZE_MAX);
    metadata_pool_drain(&arena_pool);
    span_drain_pools();
    EXPECT(quarry_frame_free_count() == before);
}

TEST(span_that_shrinks_inside_a_block_gets_a_table)
{
    test_heap_fresh();
    struct span *span = span_create_large(4 * ARENA_PAGES, 1);
    REQUIRE(span != NULL);
    EXPECT(page_map_arena(span->first_page)->table == NULL);
    EXPECT(span_resize(span, 2 * ARENA_PAGES + 9));
    EXPECT(page_heaps[0].arenas == 3);
    EXPECT(arena_span(span->first_page + 2 * ARENA_PAGES + 8) == span);
    EXPECT(arena_span(span->first_page + 2 * ARENA_PAGES + 9) == NULL);
    page_heap_verify(&page_heaps[0]);
    EXPECT(span_resize(span, ARENA_PAGES));
    page_heap_verify(&page_heaps[0]);
    span_destroy(span);
    page_heap_verify(&page_heaps[0]);
    struct span *again = span_create_large(7, 1);
    struct span *beside = span_create_large(9, 1);
    REQUIRE(again != NULL && beside != NULL);
    EXPECT(arena_span(again->first_page) == again && arena_span(beside->first_page) == beside);
    page_heap_verify(&page_heaps[0]);
}

/* ---- slots ---- */

TEST(span_slots_are_allocated_lowest_first)
{
    test_heap_fresh();
    struct span *span = span_create_small(3, 24, 5);
    span_publish(span);
    REQUIRE(span != NULL && span->slots == 853);
    static void *objects[1000];
    EXPECT(span_alloc_slots(span, 100, objects) == 100);
    EXPECT(span_alloc_slots(span, 1000, objects + 100) == 753);
    EXPECT(span_alloc_slots(span, 1, objects) == 0);
    for (unsigned i = 0; i < span->slots; i++) {
        REQUIRE((uintptr_t)objects[i] == span_address(span) + i * 24u);
        REQUIRE(span_slot_of(span, objects[i]) == i);
        REQUIRE(span_slot_of(span, (char *)objects[i] + 1) == span->slots);
    }
    span_verify(span);
    EXPECT(page_map_cache_id(objects[852]) == 3);
    span_free_slot(span, 700);
    span_free_slot(span, 130);
    span_verify(span);
    void *two[2];
    EXPECT(span_alloc_slots(span, 2, two) == 2 && two[0] == objects[130] && two[1] == objects[700]);
    for (unsigned i = 0; i < span->slots; i++)
        span_free_slot(span, i);
    span_verify(span);
    span_destroy(span);
    EXPECT(page_map_cache_id(objects[0]) == 0 && span_of_address(objects[0]) == NULL);
}

/* ---- the scavenger ---- */

static void make_peak(size_t arenas)
{
    struct span *spans[64];
    for (size_t i = 0; i < arenas; i++) {
        spans[i] = span_create_large(ARENA_PAGES, 1);
        REQUIRE(spans[i] != NULL);
    }
    for (size_t i = 0; i < arenas; i++)
        span_destroy(spans[i]);
}

/* Not more arenas than a small machine has memory for. */
static size_t peak_arenas(void)
{
    return min_u64(quarry_frame_free_count() / ARENA_PAGES / 3, 40);
}

TEST(scavenger_keeps_what_a_saw_tooth_load_needs)
{
    test_heap_fresh();
    size_t peak = peak_arenas();
    for (unsigned step = 0; step < 40; step++) {
        if (step % 6 == 0)
            make_peak(peak);
        REQUIRE(quarry_scavenge_step() == 0);
    }
    EXPECT(page_heaps[0].arenas == peak && page_heaps[0].idle_arenas == peak);
}

/* There are three arenas, and the last steps needed two. One is released. */
TEST(scavenger_releases_only_the_surplus)
{
    test_heap_fresh();
    make_peak(3);
    for (unsigned step = 0; step < QUARRY_SCAVENGE_STEPS_REMEMBERED; step++) {
        EXPECT(quarry_scavenge_step() == 0);
        make_peak(2);
    }
    EXPECT(quarry_scavenge_step() == ARENA_PAGES);
    EXPECT(page_heaps[0].arenas == 2);
}

TEST(scavenger_releases_a_past_peak_in_steps)
{
    test_heap_fresh();
    size_t before = quarry_frame_free_count();
    size_t left = peak_arenas();
    make_peak(left);
    EXPECT(page_heaps[0].arenas == left);
    for (unsigned step = 0; step < QUARRY_SCAVENGE_STEPS_REMEMBERED; step++)
        EXPECT(quarry_scavenge_step() == 0);
    while (left > 0) {
        size_t now = min_u64(left, QUARRY_SCAVENGE_ARENAS_PER_STEP);
        REQUIRE(quarry_scavenge_step() == now * ARENA_PAGES);
        left -= now;
    }
    EXPECT(quarry_scavenge_step() == 0 && page_heaps[0].arenas == 0);
    page_heap_release_idle(&page_heaps[0], SIZE_MAX);
    metadata_pool_drain(&arena_pool);
    span_drain_pools();
    EXPECT(quarry_frame_free_count() == before);
}
