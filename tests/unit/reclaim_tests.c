/* SPDX-License-Identifier: MIT */
/* Which memory each occasion of reclaim frees. */
#include "mm/reclaim/reclaim.h"

#include <quarry/frame.h>
#include <quarry/quarry.h>

#include "mm/objects/cpu_cache.h"
#include "mm/objects/size_class.h"
#include "mm/objects/transfer_cache.h"
#include "mm/pages/page_heap.h"
#include "tests/framework/test.h"

#define BYTES 64u
#define BATCH 32u

/* Leaves free objects in this CPU's magazine, and some in the transfer cache. */
static void cache_objects(void)
{
    enum { COUNT = 40 * BATCH };
    static void *objects[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        objects[i] = quarry_alloc(BYTES);
    quarry_free_batch(COUNT, objects);
}

static size_t held(void)
{
    return cpu_cache_held(cpu_cache_here(), size_class_for(BYTES));
}

TEST(reclaim_for_an_object_drains_all_caches)
{
    test_heap_fresh();
    cache_objects();
    EXPECT(held() > 0 && page_heaps[0].arenas == 1);
    EXPECT(reclaim(RECLAIM_FOR_OBJECT, 1) > 0);
    EXPECT(held() == 0 && transfer_cache_count(size_class_for(BYTES)) == 0);
    EXPECT(page_heaps[0].arenas == 0);
    quarry_verify();
}

/* A CPU that goes online holds the lock of the CPUs: no cache of a CPU may be drained. */
TEST(reclaim_for_tables_leaves_the_cpus_caches)
{
    test_heap_fresh();
    cache_objects();
    size_t before = held();
    reclaim(RECLAIM_FOR_TABLES, 1);
    EXPECT(before > 0 && held() == before);
    EXPECT(transfer_cache_count(size_class_for(BYTES)) == 0);
}

TEST(reclaim_all_frees_everything_that_is_not_in_use)
{
    test_heap_fresh();
    size_t before = quarry_frame_free_count();
    cache_objects();
    void *large = quarry_alloc((size_t)3 << 20);
    EXPECT(quarry_frame_free_count() < before);
    quarry_free(large);
    EXPECT(reclaim(RECLAIM_ALL, 1) > 0);
    EXPECT(quarry_frame_free_count() == before);
}

/* Free pages of arenas in use are the last resort: breaking up blocks has a price. */
TEST(reclaim_frees_pages_of_used_arenas_only_for_frames)
{
    enum { COUNT = ARENA_PAGES };
    static void *pages[COUNT];
    test_heap_fresh();
    for (unsigned i = 0; i < COUNT; i++)
        pages[i] = quarry_aligned(8192, 1);
    for (unsigned i = 0; i < COUNT; i += 2)
        quarry_free(pages[i]);
    reclaim(RECLAIM_FOR_OBJECT, 1);
    size_t owned = page_heaps[0].owned_pages;
    EXPECT(page_heaps[0].free_pages > 0);
    EXPECT(reclaim(RECLAIM_FOR_OBJECT, 1) == 0 && page_heaps[0].owned_pages == owned);
    EXPECT(reclaim(RECLAIM_FOR_FRAMES, 1) > 0 && page_heaps[0].owned_pages < owned);
    quarry_verify();
    for (unsigned i = 1; i < COUNT; i += 2)
        quarry_free(pages[i]);
}

TEST(reclaim_frees_no_pages_of_used_arenas_if_an_idle_arena_suffices)
{
    test_heap_fresh();
    void *object = quarry_alloc(BYTES);
    void *large = quarry_alloc((size_t)2 << 20);
    REQUIRE(object != NULL && large != NULL);
    size_t arenas = page_heaps[0].arenas;
    cpu_cache_drain_own();
    quarry_free(large);
    size_t owned = page_heaps[0].owned_pages;
    size_t idle = page_heaps[0].idle_arenas;
    size_t freed = reclaim(RECLAIM_FOR_FRAMES, 1);
    if (idle > 0)
        EXPECT(freed >= ARENA_PAGES && page_heaps[0].owned_pages == owned - idle * ARENA_PAGES);
    EXPECT(arenas >= page_heaps[0].arenas);
    quarry_free(object);
}
