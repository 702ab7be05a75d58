/* SPDX-License-Identifier: MIT */
/* Malformed memory maps, and sets of ranges against a plain model. */
#include <quarry/quarry.h>

#include "lib/bits.h"
#include "lib/random.h"
#include "mm/frames/frame.h"
#include "mm/frames/memory_map.h"
#include "tests/framework/test.h"

#define K ((uint64_t)4096)
#define U QUARRY_MEMORY_USABLE
#define C QUARRY_MEMORY_RECLAIMABLE
#define R QUARRY_MEMORY_RESERVED

struct malformed_map {
    const char *name;
    struct quarry_memory_region regions[6];
    struct frame_range usable[4]; /* up to the first empty one */
    struct frame_range reclaimable[4];
};

static const struct malformed_map malformed_maps[] = {
    {"nothing", {{0, 0, 0}}, {{0, 0}}, {{0, 0}}},
    {"page 0 alone", {{0, K, U}}, {{0, 0}}, {{0, 0}}},
    {"page 0 and more", {{0, 10 * K, U}}, {{1, 10}}, {{0, 0}}},
    {"unsorted", {{20 * K, 5 * K, U}, {5 * K, 5 * K, U}}, {{5, 10}, {20, 25}}, {{0, 0}}},
    {"touching", {{5 * K, 5 * K, U}, {10 * K, 5 * K, U}}, {{5, 15}}, {{0, 0}}},
    {"overlapping", {{5 * K, 8 * K, U}, {10 * K, 5 * K, U}}, {{5, 15}}, {{0, 0}}},
    {"nested", {{5 * K, 10 * K, U}, {7 * K, K, U}}, {{5, 15}}, {{0, 0}}},
    {"bridged", {{5 * K, K, U}, {9 * K, K, U}, {6 * K, 3 * K, U}}, {{5, 10}}, {{0, 0}}},
    {"empty ones", {{5 * K, 0, U}, {6 * K, 0, R}, {4 * K, 4 * K, U}}, {{4, 8}}, {{0, 0}}},
    {"usable shrinks", {{5 * K + 1, 3 * K, U}}, {{6, 8}}, {{0, 0}}},
    {"usable shrinks to nothing", {{5 * K + 1, K, U}}, {{0, 0}}, {{0, 0}}},
    {"reserved grows", {{4 * K, 10 * K, U}, {6 * K + 4095, 2, R}}, {{4, 6}, {8, 14}}, {{0, 0}}},
    {"reserved wins, in either order",
     {{6 * K, 2 * K, R}, {4 * K, 10 * K, U}, {13 * K, 5 * K, R}},
     {{4, 6}, {8, 13}},
     {{0, 0}}},
    {"reclaimable over usable",
     {{4 * K, 10 * K, U}, {6 * K, 2 * K, C}},
     {{4, 6}, {8, 14}},
     {{6, 8}}},
    {"reserved over reclaimable",
     {{4 * K, 10 * K, C}, {6 * K, 2 * K, R}},
     {{0, 0}},
     {{4, 6}, {8, 14}}},
    {"unknown kinds are reserved",
     {{4 * K, 10 * K, U}, {6 * K, 2 * K, 77}},
     {{4, 6}, {8, 14}},
     {{0, 0}}},
    {"beyond the address space",
     {{UINT64_MAX - 2 * K, UINT64_MAX, U}, {4 * K, K, U}},
     {{4, 5}},
     {{0, 0}}},
    {"everything, overflowing",
     {{0, UINT64_MAX, U}, {8 * K, UINT64_MAX - K, R}},
     {{1, 8}},
     {{0, 0}}},
    {"reserved to the very end", {{K, UINT64_MAX, U}, {8 * K, UINT64_MAX, R}}, {{1, 8}}, {{0, 0}}},
};

static unsigned region_count(const struct malformed_map *malformed)
{
    unsigned count = 6;
    while (count > 0 && malformed->regions[count - 1].kind == 0)
        count--;
    return count;
}

static bool set_is(const struct range_set *set, const struct frame_range *expected)
{
    unsigned count = 0;
    while (count < 4 && expected[count].first < expected[count].end)
        count++;
    if (set->count != count || set->lost_frames != 0)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (set->range[i].first != expected[i].first || set->range[i].end != expected[i].end)
            return false;
    return true;
}

TEST(memory_map_repairs_malformed_maps)
{
    test_heap_fresh();
    struct memory_map *map = quarry_alloc(sizeof *map);
    REQUIRE(map != NULL);
    for (unsigned i = 0; i < sizeof malformed_maps / sizeof malformed_maps[0]; i++) {
        const struct malformed_map *malformed = &malformed_maps[i];
        memory_map_import(map, malformed->regions, region_count(malformed));
        bool right = set_is(&map->usable, malformed->usable) &&
                     set_is(&map->reclaimable, malformed->reclaimable);
        if (!EXPECT(right))
            test_note("map: %s", malformed->name);
    }
    quarry_free(map);
}

/* More regions than the map has ranges, which touch: they are one range in the end. */
TEST(memory_map_does_not_depend_on_the_order_of_regions)
{
    enum { COUNT = 1024 };
    static struct quarry_memory_region regions[COUNT];
    test_heap_fresh();
    struct memory_map *map = quarry_alloc(sizeof *map);
    REQUIRE(map != NULL);
    struct random random = random_seeded(7);
    for (unsigned order = 0; order < 4; order++) {
        for (unsigned i = 0; i < COUNT; i++) {
            unsigned place = i;
            if (order == 1)
                place = COUNT - 1 - i;
            else if (order >= 2)
                place = i < COUNT / 2 ? 2 * i : 2 * (i - COUNT / 2) + 1;
            regions[i] = (struct quarry_memory_region){(1 + place) * K, K, U};
        }
        for (unsigned i = COUNT - 1; order == 3 && i > 0; i--) {
            unsigned other = (unsigned)random_below(&random, i + 1);
            struct quarry_memory_region swapped = regions[i];
            regions[i] = regions[other];
            regions[other] = swapped;
        }
        regions[COUNT / 3].kind = C; /* a gap in the usable memory */
        size_t gap = regions[COUNT / 3].base / K;
        memory_map_import(map, regions, COUNT);
        EXPECT(map->usable.lost_frames == 0);
        EXPECT(range_set_count_frames(&map->usable) == COUNT - 1);
        EXPECT(range_set_count_frames(&map->reclaimable) == 1);
        EXPECT(!memory_map_owns(map, gap, gap + 1));
    }
    quarry_free(map);
}

TEST(memory_map_knows_what_it_owns)
{
    test_heap_fresh();
    struct memory_map *map = quarry_alloc(sizeof *map);
    REQUIRE(map != NULL);
    const struct quarry_memory_region regions[] = {{4 * K, 4 * K, U}, {8 * K, 2 * K, C}};
    memory_map_import(map, regions, 2);
    EXPECT(memory_map_end(map) == 10);
    EXPECT(memory_map_owns(map, 4, 8) && !memory_map_owns(map, 4, 9));
    EXPECT(!memory_map_owns(map, 3, 5) && !memory_map_owns(map, 10, 11));
    EXPECT(!memory_map_owns(map, 9, 10));
    map->reclaimed = true;
    EXPECT(memory_map_owns(map, 9, 10) && memory_map_owns(map, 4, 10));
    EXPECT(!memory_map_owns(map, 9, 11));
    map->reclaimed = false;
    EXPECT(memory_map_may_own(map, 9, 20) && !memory_map_may_own(map, 10, 20));
    map->reclaimed = true;
    EXPECT(memory_map_owns(map, 4, 10) && !memory_map_owns(map, 4, 11));
    quarry_free(map);
}

/* ---- range sets against an array ---- */

#define MODEL_FRAMES 300

static void compare_set(const struct range_set *set, const bool *model)
{
    size_t total = 0;
    for (size_t frame = 0; frame < MODEL_FRAMES; frame++) {
        REQUIRE(range_set_contains(set, frame, frame + 1) == model[frame]);
        total += model[frame];
    }
    REQUIRE(range_set_count_frames(set) == total);
    for (unsigned i = 0; i + 1 < set->count; i++)
        REQUIRE(set->range[i].end < set->range[i + 1].first);
}

TEST(range_set_agrees_with_a_model)
{
    test_heap_fresh();
    struct range_set *set = quarry_alloc(sizeof *set);
    REQUIRE(set != NULL);
    struct random random = random_seeded(2);
    static bool model[MODEL_FRAMES];
    for (size_t i = 0; i < MODEL_FRAMES; i++)
        model[i] = false;
    range_set_init(set);
    for (unsigned round = 0; round < 2000; round++) {
        size_t first = random_below(&random, MODEL_FRAMES);
        size_t end = min_u64(first + random_below(&random, 25), MODEL_FRAMES);
        bool add = random_below(&random, 2) != 0;
        struct frame_range range = {first, end};
        if (add)
            range_set_add(set, range);
        else
            range_set_subtract(set, range);
        for (size_t i = first; i < end; i++)
            model[i] = add;
        compare_set(set, model);
    }
    quarry_free(set);
}

TEST(range_set_drops_the_smallest_when_full_and_counts_it)
{
    test_heap_fresh();
    struct range_set *set = quarry_alloc(sizeof *set);
    REQUIRE(set != NULL);
    range_set_init(set);
    for (size_t i = 0; i < QUARRY_MAP_RANGES_MAX; i++)
        range_set_add(set, (struct frame_range){i * 10, i * 10 + 2 + (i != 5)});
    EXPECT(set->count == QUARRY_MAP_RANGES_MAX && set->lost_frames == 0);
    range_set_add(set, (struct frame_range){90000, 90007});
    EXPECT(set->lost_frames == 2 && !range_set_contains(set, 50, 51));
    EXPECT(range_set_contains(set, 90000, 90007));
    range_set_add(set, (struct frame_range){95000, 95001});
    EXPECT(set->lost_frames == 3 && !range_set_contains(set, 95000, 95001));
    /* A range that is split needs one more place: the smallest range is dropped. */
    size_t before = range_set_count_frames(set);
    range_set_subtract(set, (struct frame_range){90003, 90004});
    EXPECT(range_set_count_frames(set) + 1 + (set->lost_frames - 3) == before);
    EXPECT(!range_set_contains(set, 90003, 90004));
    quarry_free(set);
}
