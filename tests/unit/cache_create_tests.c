/* SPDX-License-Identifier: MIT */
/* Cache ids beside the size classes: objects of a created cache use the same paths as plain
 * ones. */
#include "mm/objects/cache_create.h"

#include <quarry/frame.h>
#include <quarry/quarry.h>

#include "lib/fault.h"
#include "mm/debug/harden.h"
#include "mm/objects/cpu_cache.h"
#include "mm/pages/page_map.h"
#include "tests/framework/test.h"

#define OBJECT_BYTES 200u
#define SPAN_PAGES 7u

static unsigned create(void)
{
    struct cache_shape shape = cache_shape_for(OBJECT_BYTES, SPAN_PAGES);
    return cache_create(&shape);
}

static struct cpu_cache *cache(void)
{
    return cpu_cache_here();
}

/* What an object cache does: a pop, or the slow path. */
static void *alloc(unsigned id)
{
    void *object = quarry_port_pop(id);
    if (object == NULL)
        object = cpu_cache_alloc_missed(id);
    return harden_on_alloc(object, OBJECT_BYTES - HARDEN_TAIL_BYTES, __builtin_return_address(0));
}

TEST(cache_create_numbers_caches_after_the_size_classes)
{
    test_heap_fresh();
    EXPECT(cache_id_count() == SIZE_CLASS_COUNT);
    EXPECT(create() == SIZE_CLASS_COUNT);
    EXPECT(create() == SIZE_CLASS_COUNT + 1);
    EXPECT(cache_id_count() == SIZE_CLASS_COUNT + 2);
    EXPECT(cache_shapes[SIZE_CLASS_COUNT].object_bytes == OBJECT_BYTES);
    EXPECT(cache_shapes[SIZE_CLASS_COUNT].batch == CACHE_BATCH_MAX);
    quarry_verify();
    test_heap_fresh();
    EXPECT(cache_id_count() == SIZE_CLASS_COUNT);
}

TEST(cache_create_objects_are_freed_to_their_magazine)
{
    test_heap_fresh();
    unsigned id = create();
    void *first = alloc(id);
    void *second = alloc(id);
    REQUIRE(first != NULL && second != NULL && first != second);
    EXPECT(page_map_cache_id(first) == id && page_map_cache_id(second) == id);
    EXPECT(quarry_usable_size(first) == OBJECT_BYTES - HARDEN_TAIL_BYTES);
    size_t held = cpu_cache_held(cache(), id);
    quarry_free(first);
    if (QUARRY_HARDEN == 0) { /* else it is in the quarantine */
        EXPECT(cpu_cache_held(cache(), id) == held + 1);
        EXPECT(alloc(id) == first);
        quarry_free(first);
    }
    quarry_verify();
    quarry_free(second);
    test_heap_drain();
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPECT(stats.small_live_objects == 0 && stats.spans == 0);
}

TEST(cache_create_objects_move_by_realloc)
{
    test_heap_fresh();
    unsigned id = create();
    unsigned char *object = alloc(id);
    REQUIRE(object != NULL);
    for (unsigned i = 0; i < 100; i++)
        object[i] = (unsigned char)i;
    unsigned char *moved = quarry_realloc(object, 100);
    REQUIRE(moved != NULL && moved != object && page_map_cache_id(moved) < SIZE_CLASS_COUNT);
    for (unsigned i = 0; i < 100; i++)
        REQUIRE(moved[i] == i);
    quarry_free(moved);
    quarry_verify();
}

/* The magazine of a created cache has no array before the first miss, and none after a drain. */
TEST(cache_create_magazine_begins_with_the_first_miss)
{
    test_heap_fresh();
    unsigned id = create();
    const struct magazine *magazine = &cache()->magazines[id];
    EXPECT(magazine->bottom == cache()->sentinel && magazine->places == 0);
    void *object = alloc(id);
    REQUIRE(object != NULL);
    EXPECT(magazine->bottom != cache()->sentinel && magazine->capacity > 0);
    cpu_cache_verify(cache());
    quarry_free(object);
    cpu_cache_drain_own();
    EXPECT(magazine->bottom == cache()->sentinel && magazine->places == 0);
    EXPECT(magazine->capacity == 0);
    cpu_cache_verify(cache());
    object = alloc(id);
    EXPECT(object != NULL && magazine->capacity > 0);
    quarry_free(object);
}

static void free_twice(void *unused)
{
    (void)unused;
    unsigned id = create();
    void *object = alloc(id);
    quarry_free(object);
    quarry_free(object);
    cpu_cache_drain_own();
    cpu_cache_drain_own();
}

TEST(cache_create_sees_a_double_free)
{
    test_heap_fresh();
    test_expect_stop(free_twice, NULL, "quarry: bad free: double free\n(200 bytes)");
}

TEST(cache_create_ends_where_the_block_ends)
{
    test_heap_fresh();
    for (unsigned i = 0; i < QUARRY_EXTRA_CACHES; i++)
        REQUIRE(create() == SIZE_CLASS_COUNT + i);
    EXPECT(create() == 0 && cache_id_count() == CACHE_IDS);
    void *object = alloc(CACHE_IDS - 1);
    REQUIRE(object != NULL && page_map_cache_id(object) == CACHE_IDS - 1);
    uint64_t frame = quarry_frame_alloc(0); /* its magazine is the next one in the block */
    EXPECT(frame != 0);
    quarry_frame_free(frame, 0);
    quarry_free(object);
    quarry_verify();
    test_heap_fresh();
}

TEST(cache_create_fails_without_memory)
{
    test_heap_fresh();
    if (!QUARRY_FAULTS) {
        test_skip("needs QUARRY_FAULTS");
        return;
    }
    fault_arm(1u << FAULT_FRAME, 1, 1);
    unsigned id = create();
    fault_disarm();
    EXPECT(id == 0 && cache_id_count() == SIZE_CLASS_COUNT);
    EXPECT(create() == SIZE_CLASS_COUNT);
    quarry_verify();
}
