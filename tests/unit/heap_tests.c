/* SPDX-License-Identifier: MIT */
/* The heap as a whole: memory of its own, CPUs without memory, CPUs that answer late, addresses in
 * reports. */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/quarry.h>

#include "lib/fault.h"
#include "lib/format.h"
#include "mm/frames/frames.h"
#include "mm/objects/cpu_cache.h"
#include "mm/pages/page_map.h"
#include "tests/framework/platform.h"
#include "tests/framework/test.h"

TEST(stats_count_memory_of_the_heap_itself)
{
    test_heap_fresh();
    struct quarry_stats stats;
    quarry_stats(&stats);
    size_t lost_before = stats.lost_bytes;
    EXPECT(stats.boot_bytes >= page_map.capacity);
    frames.map.usable.lost_frames += 3;
    frames.map.reclaimable.lost_frames += 5;
    quarry_stats(&stats);
    EXPECT(stats.lost_bytes == lost_before + 8 * (size_t)QUARRY_FRAME_BYTES);
    test_heap_fresh();
}

/* Where the memory ends changes where Quarry's tables are: the tables must still cover all frames.
 */
TEST(init_tables_cover_every_frame_that_is_counted)
{
    enum { EXTRA_FRAMES = 700 };
    struct quarry_setup setup;
    platform_setup(&setup);
    struct quarry_memory_region region = test_largest_region(&setup);
    uint64_t tree_bytes = TREE_FRAMES * FRAME_BYTES;
    uint64_t end =
        (region.base + region.bytes - EXTRA_FRAMES * FRAME_BYTES) / tree_bytes * tree_bytes;
    if (end <= region.base) {
        test_skip("less than a tree of memory");
        return;
    }
    setup.regions = &region;
    setup.region_count = 1;
    for (setup.cpus = 1; setup.cpus <= 64; setup.cpus *= 4) {
        for (size_t extra = 0; extra < EXTRA_FRAMES; extra++) {
            region.bytes = end + extra * FRAME_BYTES - region.base;
            platform_forget_caches();
            if (quarry_init(&setup) != QUARRY_OK)
                continue; /* too small for the tables of so many CPUs */
            REQUIRE(memory_map_end(&frames.map) <= frames.last_frame + 1);
        }
    }
    test_heap_fresh();
}

/* A request that the machine could never serve must not empty the caches. */
TEST(impossible_requests_leave_the_caches)
{
    test_heap_fresh();
    for (unsigned i = 0; i < 100; i++)
        quarry_free(quarry_alloc(64));
    quarry_free(quarry_alloc((size_t)1 << 20));
    size_t held = cpu_cache_held(cpu_cache_here(), size_class_for(64));
    size_t free_frames = quarry_frame_free_count();
    EXPECT(held > 0);
    EXPECT(quarry_alloc((size_t)1 << 62) == NULL && quarry_zeroed(SIZE_MAX) == NULL);
    EXPECT(quarry_alloc_with((size_t)1 << 62, QUARRY_MAY_WAIT) == NULL);
    EXPECT(quarry_aligned(4096, (size_t)1 << 62) == NULL);
    void *object = quarry_alloc(64);
    EXPECT(quarry_realloc(object, (size_t)1 << 62) == NULL);
    quarry_free(object);
    EXPECT(quarry_frame_alloc_range((size_t)1 << 40, 0, 0) == 0);
    EXPECT(cpu_cache_held(cpu_cache_here(), size_class_for(64)) == held);
    EXPECT(quarry_frame_free_count() == free_frames);
}

TEST(drain_includes_the_own_cache)
{
    test_heap_fresh();
    quarry_free(quarry_alloc(100));
    EXPECT(cpu_cache_held(cpu_cache_here(), size_class_for(100)) > 0);
    EXPECT(quarry_drain() == 0);
    EXPECT(cpu_cache_held(cpu_cache_here(), size_class_for(100)) == 0);
}

/* CPU 1 answers the request for a drain at the third pause of the CPU that waits. */
static unsigned pauses;

static void answer_at_the_third_pause(void)
{
    if (++pauses != 3)
        return;
    platform_move_to(1);
    quarry_drain_interrupt();
    platform_move_to(0);
}

TEST(drain_waits_for_a_late_cpu)
{
    test_heap_fresh();
    if (!platform_on_pause(answer_at_the_third_pause)) {
        test_skip("the platform reports no pauses");
        return;
    }
    platform_move_to(1);
    EXPECT(quarry_cpu_online(1) == QUARRY_OK);
    platform_move_to(0);
    pauses = 0;
    EXPECT(quarry_drain() == 0 && pauses == 3);
    platform_on_pause(NULL);
    EXPECT(quarry_cpu_reap(1) == QUARRY_OK);
}

TEST(cpu_online_fails_without_memory)
{
    if (!QUARRY_FAULTS) {
        test_skip("QUARRY_FAULTS is 0");
        return;
    }
    test_heap_fresh();
    quarry_cpu_offline();
    fault_arm_every(1u << FAULT_RANGE, 1);
    EXPECT(quarry_cpu_online(0) == QUARRY_NO_MEMORY);
    fault_disarm();
    void *object = quarry_alloc(10);
    EXPECT(object != NULL);
    quarry_free(object);
    EXPECT(quarry_cpu_online(0) == QUARRY_OK);
}

/* All frames are in idle arenas. They are released for the CPU's cache. */
TEST(cpu_online_uses_idle_memory)
{
    test_heap_fresh();
    if (test_skip_large_machine())
        return;
    quarry_cpu_offline();
    static void *objects[4096];
    size_t count = 0;
    while (count < 4096 && (objects[count] = quarry_alloc((size_t)1 << 20)) != NULL)
        count++;
    while (quarry_frame_alloc(0) != 0)
        continue;
    for (size_t i = 0; i < count; i++)
        quarry_free(objects[i]);
    EXPECT(count > 0 && count < 4096);
    EXPECT(quarry_cpu_online(0) == QUARRY_OK);
    test_heap_fresh();
}

/* ---- addresses in reports: each function writes the text that it expects, then causes it ---- */

static char expected[400];

static void free_large_twice(void *unused)
{
    (void)unused;
    void *neighbour = quarry_alloc(1100000);
    uintptr_t object = (uintptr_t)quarry_alloc(1100000);
    size_t page = page_of_address((void *)object);
    format_text(expected, sizeof expected,
                "*\n  address  %p\n  arena    %#zx\n"
                "  state    its page is in no span: freed already, or never allocated",
                (void *)object, page_address(page - page % ARENA_PAGES));
    quarry_free((void *)object);
    quarry_free((void *)object);
    quarry_free(neighbour);
}

static void usable_size_of_interior(void *unused)
{
    (void)unused;
    quarry_alloc(100);
    uintptr_t object = (uintptr_t)quarry_alloc(100);
    format_text(expected, sizeof expected,
                QUARRY_HARDEN == 2 ? "*\n  address  %p\n*\n  object   %#zx, slot *\n*\n*"
                                   : "*\n  address  %p\n*\n  object   %#zx, slot *\n*",
                (void *)(object + 8), object);
    quarry_usable_size((void *)(object + 8));
}

TEST(reports_have_the_right_addresses)
{
    test_heap_fresh();
    test_expect_report(free_large_twice, NULL, expected);
    test_expect_report(usable_size_of_interior, NULL, expected);
}
