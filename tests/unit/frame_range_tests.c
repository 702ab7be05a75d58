/* SPDX-License-Identifier: MIT */
/* Runs of frames at the borders of children and trees, and the exact texts of frame reports. */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/quarry.h>

#include "lib/fault.h"
#include "lib/format.h"
#include "mm/frames/frames.h"
#include "tests/framework/platform.h"
#include "tests/framework/test.h"
#include "tests/unit/fake_frames.h"

#define U QUARRY_MEMORY_USABLE
#define C QUARRY_MEMORY_RECLAIMABLE

/* The second tree's first byte: the first tree is used last. */
#define BASE ((uint64_t)TREE_FRAMES * FRAME_BYTES)
#define BYTES(frames) ((uint64_t)(frames)*FRAME_BYTES)

static struct fake_frames *make(const struct quarry_memory_region *regions, size_t count)
{
    test_heap_fresh();
    struct fake_frames *fake = fake_frames_create(regions, count, 1);
    EXPECT(fake != NULL);
    return fake;
}

TEST(frame_range_uses_the_first_tree_last)
{
    const struct quarry_memory_region all[] = {{0, 2 * BASE, U}};
    struct fake_frames *fake = make(all, 1);
    EXPECT(frame_allocator_alloc_range(&fake->allocator, 600, 1, 0) == TREE_FRAMES);
    EXPECT(frame_allocator_alloc_range(&fake->allocator, 600, 1, TREE_FRAMES) < TREE_FRAMES);
    frame_allocator_verify(&fake->allocator);
    fake_frames_destroy(fake);
}

/* Memory from the last frame of a child to the end of the next child. */
TEST(frame_range_begins_at_the_last_frame_of_a_child)
{
    const struct quarry_memory_region region[] = {
        {BASE + BYTES(CHILD_FRAMES - 1), BYTES(1 + CHILD_FRAMES), U}};
    struct fake_frames *fake = make(region, 1);
    struct frame_allocator *allocator = &fake->allocator;
    size_t first = frame_allocator_alloc_range(allocator, 1 + CHILD_FRAMES, 1, 0);
    EXPECT(first == TREE_FRAMES + CHILD_FRAMES - 1);
    frame_allocator_verify(allocator);
    EXPECT(frame_allocator_free_count(allocator) == 0);
    frame_allocator_free_range(allocator, 0, first, 1 + CHILD_FRAMES);
    frame_allocator_verify(allocator);
    EXPECT(frame_allocator_free_count(allocator) == 1 + CHILD_FRAMES);
    fake_frames_destroy(fake);
}

/* Another CPU takes the last frame of a child first. The search continues in the next child and
 * does not skip it. */
TEST(frame_range_search_continues_behind_a_lost_frame)
{
    if (!QUARRY_FAULTS) {
        test_skip("QUARRY_FAULTS is 0");
        return;
    }
    const struct quarry_memory_region region[] = {
        {BASE + BYTES(CHILD_FRAMES - 1), BYTES(1 + CHILD_FRAMES), U}};
    struct fake_frames *fake = make(region, 1);
    fault_arm(1u << FAULT_CLAIM_PIECE, 1, 1);
    size_t first = frame_allocator_alloc_range(&fake->allocator, CHILD_FRAMES, 1, 0);
    fault_disarm();
    EXPECT(first == TREE_FRAMES + CHILD_FRAMES);
    frame_allocator_verify(&fake->allocator);
    fake_frames_destroy(fake);
}

/* Half of a child is usable and half reclaimable. After the reclaim it is a huge frame. */
TEST(frame_child_becomes_huge_when_its_rest_is_reclaimed)
{
    const struct quarry_memory_region halves[] = {{BASE, BYTES(CHILD_FRAMES / 2), U},
                                                  {BASE + BYTES(CHILD_FRAMES / 2),
                                                   BYTES(CHILD_FRAMES / 2), C}};
    struct fake_frames *fake = make(halves, 2);
    struct frame_allocator *allocator = &fake->allocator;
    EXPECT(frame_allocator_alloc(allocator, 0, CHILD_SHIFT) == NO_FRAME);
    EXPECT(frame_allocator_reclaim(allocator, &fake->map) == CHILD_FRAMES / 2);
    EXPECT(frame_allocator_alloc(allocator, 0, CHILD_SHIFT) == TREE_FRAMES);
    fake_frames_destroy(fake);
}

/* A free run, a gap, and a longer run in the same child: the search does not join the runs. */
TEST(frame_range_does_not_cross_a_gap)
{
    const struct quarry_memory_region runs[] = {{BASE + BYTES(10), BYTES(10), U},
                                                {BASE + BYTES(30), BYTES(30), U}};
    struct fake_frames *fake = make(runs, 2);
    EXPECT(frame_allocator_alloc_range(&fake->allocator, 30, 1, 0) == TREE_FRAMES + 30);
    frame_allocator_verify(&fake->allocator);
    fake_frames_destroy(fake);
}

static bool is_free(size_t frame)
{
    const struct bitmap *bits = &frames.nodes[0].allocator.bits[frame >> CHILD_SHIFT];
    return memory_map_owns(&frames.map, frame, frame + 1) &&
           !bitmap_test(bits, (unsigned)(frame % CHILD_FRAMES));
}

/* All frames below a bound in bytes can be allocated, and no others. */
TEST(frame_api_respects_the_bound)
{
    test_heap_fresh();
    const uint64_t bounds[] = {2 * FRAME_BYTES, (uint64_t)1 << 20};
    for (unsigned i = 0; i < 2; i++) {
        uint64_t bound = bounds[i];
        while (frames.nodes[0].allocator.frontier == 0)
            REQUIRE(frame_frontier_advance(&frames.nodes[0].allocator));
        size_t expected = 0;
        for (size_t frame = 1; frame < bound / FRAME_BYTES; frame++)
            expected += is_free(frame);
        size_t allocated = 0;
        uint64_t physical;
        while ((physical = quarry_frame_alloc_range(1, 0, bound)) != 0) {
            REQUIRE(physical + FRAME_BYTES <= bound);
            allocated++;
        }
        EXPECT(allocated == expected);
        test_heap_fresh();
    }
}

/* Idle arenas are released for an allocation of a run of frames. */
TEST(frame_api_finds_runs_in_idle_arenas)
{
    test_heap_fresh();
    if (test_skip_large_machine())
        return;
    struct held {
        struct held *next;
    } *held = NULL, *next;
    while ((next = quarry_alloc((size_t)2 << 20)) != NULL) {
        next->next = held;
        held = next;
    }
    for (; held != NULL; held = next) {
        next = held->next;
        quarry_free(held);
    }
    uint64_t run = quarry_frame_alloc_range(3 * CHILD_FRAMES, 0, 0);
    EXPECT(run != 0);
    test_heap_fresh();
}

TEST(frame_api_returns_how_many_frames_joined)
{
    test_heap_fresh();
    struct quarry_setup setup;
    platform_setup(&setup);
    platform_forget_caches();
    EXPECT(quarry_init(&setup) == QUARRY_OK);
    size_t before = quarry_frame_total_count();
    size_t joined = quarry_frame_reclaim_boot_memory();
    EXPECT(quarry_frame_total_count() == before + joined);
    EXPECT(joined == range_set_count_frames(&frames.map.reclaimable));
    EXPECT(quarry_frame_reclaim_boot_memory() == 0);
    test_heap_fresh();
}

/* ---- memory that is made usable when it is needed ---- */

static size_t memory_end; /* the first frame that cannot be used */
static size_t needed_end;

static bool is_memory(size_t first, size_t count)
{
    if (first + count > memory_end)
        return false;
    needed_end = first + count;
    return true;
}

/* Two trees; the second one has no memory at first. */
TEST(memory_that_is_refused_is_asked_for_again)
{
    const struct quarry_memory_region trees[] = {{BASE, BYTES(2 * TREE_FRAMES), U}};
    struct fake_frames *fake = make(trees, 1);
    struct frame_allocator *allocator = &fake->allocator;
    size_t first_tree = (BASE >> FRAME_SHIFT) / TREE_FRAMES;
    allocator->memory_needed = is_memory;
    memory_end = (first_tree + 1) * TREE_FRAMES;
    for (size_t i = 0; i < QUARRY_TREE_CHILDREN; i++)
        REQUIRE(frame_allocator_alloc(allocator, 0, CHILD_SHIFT) < memory_end);
    REQUIRE(frame_allocator_alloc(allocator, 0, CHILD_SHIFT) == NO_FRAME);
    REQUIRE(frame_allocator_alloc_range(allocator, 3, 1, 0) == NO_FRAME);
    REQUIRE(needed_end == memory_end);
    memory_end += TREE_FRAMES;
    REQUIRE(frame_allocator_alloc_range(allocator, TREE_FRAMES, 1, 0) == needed_end - TREE_FRAMES);
    REQUIRE(needed_end == memory_end);
    frame_allocator_verify(allocator);
    fake_frames_destroy(fake);
}

/* ---- reports ---- */

static void free_in_the_middle(void *argument)
{
    struct frame_allocator *allocator = &((struct fake_frames *)argument)->allocator;
    frame_allocator_free(allocator, 0, frame_allocator_alloc(allocator, 0, 3) + 4, 3);
}

/* A quarter of the child is usable and a quarter joins. The rest is not Quarry's memory. */
static void free_what_never_joined(void *argument)
{
    struct fake_frames *fake = argument;
    frame_frontier_advance(&fake->allocator);
    frame_allocator_reclaim(&fake->allocator, &fake->map);
    frame_allocator_free(&fake->allocator, 0, TREE_FRAMES + CHILD_FRAMES - 1, 0);
}

static void free_twice(void *argument)
{
    struct frame_allocator *allocator = &((struct fake_frames *)argument)->allocator;
    size_t frame = frame_allocator_alloc(allocator, 0, 3);
    frame_allocator_free(allocator, 0, frame, 3);
    frame_allocator_free(allocator, 0, frame, 3);
}

static void count_one_too_many(void *argument)
{
    struct frame_allocator *allocator = &((struct fake_frames *)argument)->allocator;
    frame_frontier_advance(allocator);
    allocator->trees[1]++;
    frame_allocator_verify(allocator);
}

static void free_between_frames(void *unused)
{
    (void)unused;
    quarry_frame_free(quarry_frame_alloc(3) + 1, 3);
}

TEST(frame_reports_have_the_right_numbers)
{
    const struct quarry_memory_region child[] = {{BASE, BYTES(CHILD_FRAMES), U}};
    char expected[160];
    format_text(expected, sizeof expected,
                "quarry: double free of 8 frames at %#lx: the frame at %#lx is free already", BASE,
                BASE);
    test_expect_report(free_twice, make(child, 1), expected);
    format_text(expected, sizeof expected,
                "quarry: bad free of 8 frames at %#lx: not aligned to their size", BASE + BYTES(4));
    test_expect_report(free_in_the_middle, make(child, 1), expected);
    const struct quarry_memory_region quarters[] = {{BASE, BYTES(CHILD_FRAMES / 4), U},
                                                    {BASE + BYTES(CHILD_FRAMES / 4),
                                                     BYTES(CHILD_FRAMES / 4), C}};
    format_text(expected, sizeof expected,
                "quarry: bad free of 1 frames at %#lx: not Quarry's memory",
                BASE + BYTES(CHILD_FRAMES - 1));
    test_expect_report(free_what_never_joined, make(quarters, 2), expected);
    test_expect_report(count_one_too_many, make(child, 1),
                       "quarry: tree 1 counts 513 free frames and 0 reserved, its children 512");
    test_heap_fresh();
    test_expect_report(free_between_frames, NULL,
                       "quarry: bad free of 8 frames at 0x*1: no such frames");
}
