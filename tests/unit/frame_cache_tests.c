/* SPDX-License-Identifier: MIT */
/* Each CPU's cache of single frames: hits, misses, CPUs that are offline, and misuse. */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "mm/frames/frame_cache.h"
#include "mm/frames/frames.h"
#include "mm/objects/cpu_cache.h"
#include "tests/framework/platform.h"
#include "tests/framework/test.h"

#define COUNT (3 * QUARRY_FRAME_CACHE_FRAMES + 40)

static bool is_cached(uint64_t frame)
{
    void **top = quarry_port_cpu()->top[FRAME_MAGAZINE];
    for (; *top != NULL; top--)
        if (*top == (void *)frame)
            return true;
    return false;
}

/* Cached frames count as free. */
TEST(frame_cache_hits_and_counts)
{
    test_heap_fresh();
    size_t free_frames = quarry_frame_free_count();
    uint64_t frame = quarry_frame_alloc(0);
    REQUIRE(frame != 0);
    EXPECT(quarry_frame_free_count() == free_frames - 1);
    EXPECT((frame_caches_held() > 0) == (QUARRY_FRAME_CACHE_FRAMES > 0));
    quarry_frame_free(frame, 0);
    EXPECT(quarry_frame_free_count() == free_frames);
    EXPECT(is_cached(frame) == (QUARRY_FRAME_CACHE_FRAMES > 0));
    if (QUARRY_FRAME_CACHE_FRAMES > 0)
        EXPECT(quarry_frame_alloc(0) == frame);
    else
        EXPECT(quarry_frame_alloc(0) != 0);
    quarry_verify();
    test_heap_fresh();
}

/* Misses at both ends: no frame is lost or allocated twice, and the cache stays within its size. */
TEST(frame_cache_fills_and_empties)
{
    test_heap_fresh();
    size_t free_frames = quarry_frame_free_count();
    static uint64_t allocated[COUNT];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < COUNT; i++) {
            allocated[i] = quarry_frame_alloc(0);
            REQUIRE(allocated[i] != 0);
            EXPECT(!is_cached(allocated[i]));
            for (unsigned j = 0; j < i; j++)
                REQUIRE(allocated[j] != allocated[i]);
        }
        EXPECT(quarry_frame_free_count() == free_frames - COUNT);
        for (unsigned i = 0; i < COUNT; i++) {
            quarry_frame_free(allocated[i], 0);
            EXPECT(frame_caches_held() <= QUARRY_FRAME_CACHE_FRAMES);
        }
        EXPECT(quarry_frame_free_count() == free_frames);
        quarry_verify();
    }
    size_t held = frame_caches_held();
    EXPECT(held + 16 > QUARRY_FRAME_CACHE_FRAMES);
    EXPECT(cpu_cache_drain_own() == held && frame_caches_held() == 0);
    EXPECT(quarry_frame_free_count() == free_frames);
    EXPECT(frame_allocator_free_count(&frames.nodes[0].allocator) == free_frames);
}

/* When no other frames are left, cached ones are allocated, also as a part of a huge frame. */
TEST(frame_cache_is_used_before_memory_runs_out)
{
    if (test_skip_large_machine())
        return;
    test_heap_fresh();
    size_t huge = 0;
    uint64_t frame;
    uint64_t last = 0;
    while ((frame = quarry_frame_alloc(QUARRY_ORDER_HUGE)) != 0) {
        last = frame;
        huge++;
    }
    REQUIRE(huge > 2);
    while (quarry_frame_alloc(0) != 0)
        continue;
    EXPECT(quarry_frame_free_count() == 0);
    quarry_frame_free(last, QUARRY_ORDER_HUGE);
    uint64_t single = quarry_frame_alloc(0);
    REQUIRE(single != 0);
    quarry_frame_free(single, 0); /* 16 frames of the huge one are cached */
    EXPECT(quarry_frame_alloc(QUARRY_ORDER_HUGE) == last);
    quarry_verify();
    test_heap_fresh();
}

/* A CPU that is offline, or was never online, allocates frames and caches none. */
TEST(frame_cache_of_an_offline_cpu_is_empty)
{
    test_heap_fresh();
    size_t free_frames = quarry_frame_free_count();
    quarry_frame_free(quarry_frame_alloc(0), 0);
    quarry_cpu_offline();
    EXPECT(frame_caches_held() == 0);
    uint64_t frame = quarry_frame_alloc(0);
    EXPECT(frame != 0 && frame_caches_held() == 0);
    quarry_frame_free(frame, 0);
    EXPECT(frame_caches_held() == 0);
    void **offline_top = quarry_port_cpu()->top[FRAME_MAGAZINE];
    quarry_port_cpu()->top[FRAME_MAGAZINE] = NULL; /* as if it was never online */
    frame = quarry_frame_alloc(0);
    EXPECT(frame != 0);
    quarry_frame_free(frame, 0);
    quarry_port_cpu()->top[FRAME_MAGAZINE] = offline_top;
    EXPECT(quarry_cpu_online(0) == QUARRY_OK);
    test_heap_drain();
    EXPECT(quarry_frame_free_count() == free_frames);
    quarry_verify();
}

/* ---- misuse: reported at once, or when the frame leaves the cache ---- */

static void free_twice(void *unused)
{
    (void)unused;
    uint64_t frame = quarry_frame_alloc(0);
    quarry_frame_free(frame, 0);
    quarry_frame_free(frame, 0);
    cpu_cache_drain_own();
}

static void free_part_of_huge(void *unused)
{
    (void)unused;
    quarry_frame_free(quarry_frame_alloc(QUARRY_ORDER_HUGE) + QUARRY_FRAME_BYTES, 0);
    cpu_cache_drain_own();
}

static void free_null(void *unused)
{
    (void)unused;
    quarry_frame_free(0, 0);
}

static void free_beyond_the_end(void *unused)
{
    (void)unused;
    quarry_frame_free((uint64_t)(frames.last_frame + 1) * QUARRY_FRAME_BYTES, 0);
}

static void overwrite_the_end(void *unused)
{
    (void)unused;
    void **top = quarry_port_cpu()->top[FRAME_MAGAZINE];
    while (*top != QUARRY_MAGAZINE_END)
        top++;
    *top = NULL;
    quarry_verify();
}

TEST(frame_cache_misuse_stops_with_a_report)
{
    test_heap_fresh();
    test_expect_report(free_twice, NULL,
                       "quarry: double free of 1 frames at 0x*: the frame at 0x* is free already");
    test_expect_report(free_part_of_huge, NULL, "quarry: *free of 1 frames at 0x*");
    test_expect_report(free_null, NULL, "quarry: bad free of 1 frames at 0*: not Quarry's memory");
    test_expect_report(free_beyond_the_end, NULL,
                       "quarry: bad free of 1 frames at 0x*: no such frames");
    if (QUARRY_FRAME_CACHE_FRAMES > 0)
        test_expect_report(overwrite_the_end, NULL, "quarry: the frame cache of cpu 0 holds *");
    test_heap_fresh();
}
