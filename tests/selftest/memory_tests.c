/* SPDX-License-Identifier: MIT */
/* Exhausted memory, the public frame API, statistics, checks of the setup, scavenging, CPUs. */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "lib/bits.h"
#include "lib/random.h"
#include "mm/objects/cpu_cache.h"
#include "tests/framework/platform.h"
#include "tests/framework/test.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* ---- all memory allocated and freed ---- */

/* The objects are linked through themselves, so the list needs no memory of its own. */
struct chained {
    struct chained *next;
};

static size_t alloc_all(size_t bytes, struct chained **chain)
{
    size_t count = 0;
    struct chained *object;
    while ((object = quarry_alloc(bytes)) != NULL) {
        object->next = *chain;
        *chain = object;
        count++;
    }
    return count;
}

static void free_all(struct chained *chain)
{
    while (chain != NULL) {
        struct chained *next = chain->next;
        quarry_free(chain);
        chain = next;
    }
}

static void exhaust(size_t bytes, size_t least_percent)
{
    test_heap_fresh();
    size_t frames_before = quarry_frame_free_count();
    size_t counts[2];
    for (unsigned round = 0; round < 2; round++) {
        struct chained *chain = NULL;
        counts[round] = alloc_all(bytes, &chain);
        size_t used_percent = counts[round] * bytes * 100 / (frames_before * 4096);
        if (!EXPECT(used_percent >= least_percent))
            test_note("%zu objects of %zu bytes are %zu%% of %zu frames", counts[round], bytes,
                      used_percent, frames_before);
        EXPECT(quarry_alloc(bytes) == NULL);
        quarry_verify();
        free_all(chain);
        test_heap_drain();
        quarry_verify();
        EXPECT(quarry_frame_free_count() == frames_before);
    }
    if (!EXPECT(counts[0] == counts[1]))
        test_note("%zu bytes: first %zu, then %zu", bytes, counts[0], counts[1]);
}

TEST(all_memory_can_be_allocated_and_is_free_again)
{
    test_heap_fresh();
    if (test_skip_large_machine())
        return;
    size_t mebibytes = quarry_frame_total_count() / 256;
    /* From level 1 of hardening on each object has a canary, at level 2 also a record. */
    size_t canary = QUARRY_HARDEN > 0 ? 8 : 0;
    exhaust(4096 - canary, QUARRY_HARDEN < 2 ? 97 : 75);
    exhaust(32768 - canary, QUARRY_HARDEN < 2 ? 94 : 90);
    /* Small objects would take minutes on a large machine. */
    if (mebibytes < 1100)
        exhaust(1024 - canary, QUARRY_HARDEN < 2 ? 96 : 75);
    if (mebibytes < 300)
        exhaust(64 - canary, QUARRY_HARDEN == 0 ? 97 : QUARRY_HARDEN == 1 ? 84 : 50);
}

TEST(all_memory_can_be_allocated_in_mixed_sizes)
{
    test_heap_fresh();
    if (test_skip_large_machine())
        return;
    size_t frames_before = quarry_frame_free_count();
    struct random random = random_seeded(21);
    for (unsigned round = 0; round < 3; round++) {
        struct chained *chain = NULL;
        size_t live = 0;
        unsigned refused = 0;
        while (refused < 40) {
            size_t bytes = 8 + random_below(&random, refused % 2 != 0 ? 200 : 100 * KIB);
            struct chained *object = quarry_alloc(bytes);
            refused += object == NULL;
            if (object == NULL)
                continue;
            object->next = chain;
            chain = object;
            live++;
        }
        struct quarry_stats stats;
        quarry_stats(&stats);
        EXPECT(stats.small_live_objects + stats.large_live_objects == live);
        quarry_verify();
        free_all(chain);
        test_heap_drain();
        EXPECT(quarry_frame_free_count() == frames_before);
    }
}

/* All free frames, linked through themselves. */
static size_t alloc_all_frames(uint64_t *list)
{
    struct quarry_setup setup;
    platform_setup(&setup);
    size_t frames = 0;
    uint64_t frame;
    while ((frame = quarry_frame_alloc(0)) != 0) {
        *(uint64_t *)(setup.direct_map + frame) = *list;
        *list = frame;
        frames++;
    }
    return frames;
}

static void free_all_frames(uint64_t list)
{
    struct quarry_setup setup;
    platform_setup(&setup);
    while (list != 0) {
        uint64_t frame = list;
        list = *(uint64_t *)(setup.direct_map + frame);
        quarry_frame_free(frame, 0);
    }
}

/* Every second span of all memory is free. No arena is idle, but the free pages can be allocated as
 * frames, and as objects again after these frames are freed. */
TEST(free_pages_of_used_arenas_can_be_allocated_as_frames)
{
    test_heap_fresh();
    if (test_skip_large_machine())
        return;
    enum { PAGES = 10 };
    size_t bytes = PAGES * QUARRY_FRAME_BYTES - (QUARRY_HARDEN > 0 ? 8 : 0);
    size_t frames_before = quarry_frame_free_count();
    struct chained *chain = NULL, *kept = NULL;
    size_t count = alloc_all(bytes, &chain);
    for (bool keep = true; chain != NULL; keep = !keep) {
        struct chained *next = chain->next;
        if (keep) {
            chain->next = kept;
            kept = chain;
        } else {
            quarry_free(chain);
        }
        chain = next;
    }
    test_heap_drain();
    uint64_t list = 0;
    size_t frames = alloc_all_frames(&list);
    if (!EXPECT(frames + 64 > count / 2 * PAGES))
        test_note("%zu pages are free, %zu frames were allocated", count / 2 * PAGES, frames);
    EXPECT(quarry_alloc(bytes) == NULL);
    quarry_verify();
    free_all_frames(list);
    size_t again = alloc_all(bytes, &kept);
    EXPECT(again + 16 > count / 2);
    quarry_verify();
    free_all(kept);
    test_heap_drain();
    quarry_verify();
    EXPECT(quarry_frame_free_count() == frames_before);
}

/* The heap returns its idle memory when frames are requested. */
TEST(idle_memory_of_the_heap_can_be_allocated_as_frames)
{
    test_heap_fresh();
    if (test_skip_large_machine())
        return;
    size_t frames_before = quarry_frame_free_count();
    struct chained *chain = NULL;
    alloc_all(20000, &chain);
    free_all(chain);
    uint64_t list = 0;
    size_t frames = alloc_all_frames(&list);
    /* This CPU's magazines and a few tables remain allocated. */
    EXPECT(frames + 64 > frames_before);
    free_all_frames(list);
    quarry_verify();
}

/* ---- frames ---- */

static bool has_memory_below(uint64_t bytes)
{
    struct quarry_setup setup;
    platform_setup(&setup);
    for (size_t i = 0; i < setup.region_count; i++)
        if (setup.regions[i].kind == QUARRY_MEMORY_USABLE && setup.regions[i].base < bytes)
            return true;
    return false;
}

TEST(frame_api_supports_limits_and_alignment)
{
    test_heap_fresh();
    if (!has_memory_below(MIB)) {
        test_skip("no memory below 1 MiB");
        return;
    }
    size_t before = quarry_frame_free_count();
    uint64_t low = quarry_frame_alloc_range(4, 0, MIB);
    uint64_t isa = quarry_frame_alloc_range(16, 64 * KIB, 16 * MIB);
    uint64_t huge = quarry_frame_alloc(QUARRY_ORDER_HUGE);
    uint64_t odd = quarry_frame_alloc_range(777, 8192, 0);
    EXPECT(low != 0 && low + 4 * 4096 <= MIB);
    EXPECT(isa != 0 && isa % (64 * KIB) == 0 && isa + 16 * 4096 <= 16 * MIB);
    EXPECT(huge != 0 && huge % (2 * MIB) == 0);
    EXPECT(odd != 0 && odd % 8192 == 0);
    EXPECT(quarry_frame_free_count() == before - 4 - 16 - 512 - 777);
    quarry_frame_free_range(low, 4);
    quarry_frame_free_range(isa, 16);
    quarry_frame_free(huge, QUARRY_ORDER_HUGE);
    quarry_frame_free_range(odd, 700);
    quarry_frame_free_range(odd + 700 * 4096, 77);
    EXPECT(quarry_frame_free_count() == before);
    quarry_verify();
}

TEST(frame_api_rejects_invalid_arguments)
{
    test_heap_fresh();
    EXPECT(quarry_frame_alloc(QUARRY_ORDER_GIANT + 1) == 0);
    EXPECT(quarry_frame_alloc_range(0, 0, 0) == 0);
    EXPECT(quarry_frame_alloc_range(1, 3 * 4096, 0) == 0);
    EXPECT(quarry_frame_alloc_range(1, 100, 0) == 0);
    EXPECT(quarry_frame_alloc_range(1, 0, 4095) == 0);
    EXPECT(quarry_frame_alloc_range(1, 0, 4096) == 0);
    EXPECT(quarry_frame_alloc_range(SIZE_MAX, 0, 0) == 0);
    EXPECT(quarry_frame_alloc_range(1, (uint64_t)1 << 53, 0) == 0);
    EXPECT(quarry_frame_alloc_range(1, 4096 + 1, 0) == 0);
    EXPECT(quarry_frame_reclaim_boot_memory() == 0);
}

TEST(frame_api_allocates_giant_frames)
{
    test_heap_fresh();
    uint64_t giant = quarry_frame_alloc(QUARRY_ORDER_GIANT);
    if (giant == 0) {
        test_skip("no contiguous, aligned 1 GiB");
        return;
    }
    EXPECT(giant % ((uint64_t)1 << 30) == 0);
    quarry_frame_free(giant, QUARRY_ORDER_GIANT);
    void *object = quarry_aligned((size_t)1 << 30, 5000);
    EXPECT(object != NULL && (uintptr_t)object % ((size_t)1 << 30) == 0);
    quarry_free(object);
    quarry_verify();
}

/* ---- statistics ---- */

TEST(stats_agree_with_live_objects)
{
    test_heap_fresh();
    struct random random = random_seeded(31);
    enum { COUNT = 500 };
    static void *objects[COUNT];
    size_t large = 0;
    size_t usable = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        objects[i] = quarry_alloc(1 + random_below(&random, i % 20 == 0 ? 2 * MIB : 4 * KIB));
        REQUIRE(objects[i] != NULL);
        usable += quarry_usable_size(objects[i]);
        large += quarry_usable_size(objects[i]) > SMALL_BYTES_MAX;
    }
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPECT(stats.large_live_objects == large && stats.small_live_objects == COUNT - large);
    size_t live_bytes = stats.small_live_bytes + stats.large_live_bytes;
    EXPECT(QUARRY_HARDEN == 0 ? live_bytes == usable : live_bytes >= usable + COUNT * 8);
    EXPECT(stats.frames_free * 4096 + stats.arena_bytes + stats.metadata_bytes ==
           stats.frames_total * 4096);
    size_t live = 0;
    for (unsigned i = 0; i < quarry_class_count() + 2; i++) {
        struct quarry_class_stats class;
        quarry_class_stats(i, &class);
        live += class.live_objects;
        EXPECT((i > 0 && i < quarry_class_count()) == (class.object_bytes > 0));
    }
    EXPECT(live == COUNT - large);
    quarry_free_batch(COUNT, objects);
    quarry_stats(&stats);
    EXPECT(stats.large_live_objects == 0 && stats.small_live_objects == 0);
    quarry_verify();
}

static void cache_and_stop_responding(void *argument)
{
    (void)argument;
    unsigned cpu = quarry_port_cpu_number();
    if (cpu == 0)
        return;
    EXPECT(quarry_cpu_online(cpu) == QUARRY_OK);
    quarry_free(quarry_alloc(100));
}

/* ---- setup ---- */

TEST(setup_rejects_invalid_values)
{
    test_heap_fresh();
    struct quarry_setup good;
    platform_setup(&good);
    struct quarry_setup setup = good;
    setup.cpus = 0;
    EXPECT(quarry_init(&setup) == QUARRY_BAD_SETUP);
    setup.cpus = QUARRY_CPUS_MAX + 1;
    EXPECT(quarry_init(&setup) == QUARRY_BAD_SETUP);
    setup = good;
    setup.direct_map += 2 * MIB;
    EXPECT(quarry_init(&setup) == QUARRY_BAD_SETUP);
    setup = good;
    setup.regions = NULL;
    EXPECT(quarry_init(&setup) == QUARRY_BAD_SETUP);
    setup.region_count = 0;
    EXPECT(quarry_init(&setup) == QUARRY_NO_MEMORY);
    setup = good;
    const struct quarry_memory_region too_small = {MIB, 8 * 4096, QUARRY_MEMORY_USABLE};
    setup.regions = &too_small;
    setup.region_count = 1;
    EXPECT(quarry_init(&setup) == QUARRY_NO_MEMORY);
    test_heap_fresh();
    EXPECT(quarry_cpu_online(good.cpus) == QUARRY_BAD_SETUP);
    EXPECT(quarry_cpu_online(0) == QUARRY_BAD_SETUP); /* it is online already */
    EXPECT(quarry_cpu_reap(0) == QUARRY_BAD_SETUP && quarry_cpu_reap(99999) == QUARRY_BAD_SETUP);
    EXPECT(quarry_cpu_reap(good.cpus) == QUARRY_BAD_SETUP);
}

/* One CPU, the maximum number of CPUs, and memory that ends inside a 2 MiB block. */
TEST(setup_accepts_unusual_values)
{
    test_heap_fresh();
    if (test_skip_large_machine())
        return;
    struct quarry_setup setup;
    platform_setup(&setup);
    struct quarry_memory_region region = test_largest_region(&setup);
    if (region.bytes < 27 * MIB) {
        test_skip("no region of 27 MiB");
        return;
    }
    setup.regions = &region;
    setup.region_count = 1;
    for (unsigned pages = 0; pages < 3; pages++) {
        region.bytes = 20 * MIB + pages * (MIB - 12 * KIB);
        setup.cpus = pages == 0 ? 1 : pages == 1 ? 2 : QUARRY_CPUS_MAX;
        if (setup.cpus == QUARRY_CPUS_MAX)
            region.bytes += 4 * MIB; /* for the structures of the CPU caches */
        platform_forget_caches();
        REQUIRE(quarry_init(&setup) == QUARRY_OK && quarry_cpu_online(0) == QUARRY_OK);
        EXPECT(quarry_cpu_online(setup.cpus) == QUARRY_BAD_SETUP);
        size_t frames_before = quarry_frame_free_count();
        struct chained *chain = NULL;
        size_t count = alloc_all(3000, &chain);
        EXPECT(count * 3000 > frames_before * 4096 / 2);
        quarry_verify();
        free_all(chain);
        EXPECT(quarry_drain() == 0);
        quarry_scavenge();
        quarry_verify();
        EXPECT(quarry_frame_free_count() == frames_before);
    }
    test_heap_fresh();
}

/* Only an allocation with QUARRY_MAY_WAIT makes other CPUs drain their caches. */
TEST(exhausted_memory_drains_other_cpus_only_if_it_may_wait)
{
    test_heap_fresh();
    if (platform_cpu_count() < 2 || test_skip_large_machine()) {
        test_skip("one CPU, or a large machine");
        return;
    }
    struct quarry_setup setup;
    platform_setup(&setup);
    if (setup.interrupt_cpu != NULL) {
        test_skip("the other CPU drains at once here");
        return;
    }
    platform_run(2, cache_and_stop_responding, NULL);
    /* As much as there is, but not in one piece. */
    size_t all = quarry_frame_total_count() * QUARRY_FRAME_BYTES - 64;
    EXPECT(quarry_alloc(all) == NULL);
    EXPECT(!cpu_cache_of(1)->drain_requested);
    EXPECT(quarry_alloc_with(all, QUARRY_ZEROED) == NULL);
    EXPECT(!cpu_cache_of(1)->drain_requested);
    EXPECT(quarry_alloc_with(all, QUARRY_MAY_WAIT) == NULL);
    EXPECT(cpu_cache_of(1)->drain_requested && !cpu_cache_of(0)->drain_requested);
    EXPECT(quarry_cpu_reap(1) == QUARRY_OK && !cpu_cache_of(1)->drain_requested);
}

/* A CPU with a drain request drains at its next miss, or at once in the interrupt. */
TEST(cpu_drains_on_request_at_its_next_miss)
{
    test_heap_fresh();
    for (unsigned trigger = 0; trigger < 3; trigger++) {
        void *object = quarry_alloc(100);
        quarry_free(quarry_alloc(200));
        struct cpu_cache *cache = quarry_port_cpu()->cache;
        unsigned held = size_class_for(200);
        EXPECT(cpu_cache_held(cache, held) > 0);
        cache->drain_requested = true;
        if (trigger == 0)
            quarry_drain_interrupt();
        else if (trigger == 1)
            EXPECT(quarry_alloc(20000) != NULL);
        else
            cpu_cache_free_missed(size_class_for(100), quarry_alloc(100));
        EXPECT(!cache->drain_requested && cpu_cache_held(cache, held) == 0);
        quarry_free(object);
        size_t cached = cpu_cache_held(cache, size_class_for(100));
        quarry_drain_interrupt(); /* without a request it does nothing */
        EXPECT(cpu_cache_held(cache, size_class_for(100)) == cached);
        EXPECT(QUARRY_HARDEN || cached > 0);
    }
    test_heap_fresh();
}

/* quarry_scavenge_step() returns the number of frames that it returned. */
TEST(scavenge_returns_the_number_of_frames)
{
    test_heap_fresh();
    quarry_free(quarry_alloc(1100 * KIB));
    size_t before = quarry_frame_free_count();
    size_t returned = 0;
    for (unsigned step = 0; step < 20; step++)
        returned += quarry_scavenge_step();
    size_t gained = quarry_frame_free_count() - before;
    EXPECT(returned >= 275 && gained >= returned &&
           gained <= returned + 2); /* the arena's own tables */
    quarry_free(quarry_alloc(1100 * KIB));
    before = quarry_frame_free_count();
    returned = quarry_scavenge();
    EXPECT(returned >= 275 && quarry_frame_free_count() >= before + returned);
    EXPECT(quarry_scavenge() == 0);
}

static uintptr_t idle_start;
static size_t idle_bytes;

static void note_idle(void *start, size_t bytes)
{
    idle_start = (uintptr_t)start;
    idle_bytes += bytes;
}

TEST(scavenge_reports_idle_memory_to_the_port)
{
    test_heap_fresh();
    struct quarry_setup setup;
    platform_setup(&setup);
    setup.memory_idle = note_idle;
    platform_forget_caches();
    REQUIRE(quarry_init(&setup) == QUARRY_OK && quarry_cpu_online(0) == QUARRY_OK);
    void *small = quarry_alloc(100);
    uintptr_t arena = round_down((uintptr_t)small, 2 * MIB);
    idle_bytes = 0;
    quarry_free(small);
    EXPECT(idle_bytes == 0);
    size_t frames = quarry_scavenge();
    EXPECT(frames >= 512 && idle_bytes == 2 * MIB && idle_start == arena);
    test_heap_fresh();
}

/* Unused caches must not keep the arenas of their objects. */
TEST(scavenge_steps_return_memory_after_a_peak)
{
    test_heap_fresh();
    size_t before = quarry_frame_free_count();
    size_t most_bytes = min_u64(before * QUARRY_FRAME_BYTES / 4, 64 * MIB);
    struct random random = random_seeded(5);
    void **last = NULL;
    for (size_t bytes = 0; bytes < most_bytes;) {
        size_t wanted = 64 + random_below(&random, 4 * KIB);
        void **object = quarry_alloc(wanted);
        REQUIRE(object != NULL);
        *object = (void *)last; /* links all objects */
        last = object;
        bytes += wanted;
    }
    size_t peak = before - quarry_frame_free_count();
    while (last != NULL) {
        void **next = *last;
        quarry_free((void *)last);
        last = next;
    }
    for (unsigned step = 0; step < 100; step++)
        quarry_scavenge_step();
    size_t kept = before - quarry_frame_free_count();
    EXPECT(kept * 100 <= peak + 100 * 32); /* 1%, and a few pages for each kind of descriptor */
    quarry_verify();
}

/* ---- CPUs ---- */

TEST(cpu_without_a_cache_can_allocate)
{
    test_heap_fresh();
    void *before = quarry_alloc(48);
    quarry_cpu_offline();
    quarry_cpu_offline();
    void *object = quarry_alloc(48);
    void *large = quarry_alloc(1100 * KIB);
    EXPECT(before != NULL && object != NULL && large != NULL && object != before);
    quarry_free(object);
    quarry_free(before);
    quarry_free(large);
    quarry_verify();
    EXPECT(quarry_cpu_online(0) == QUARRY_OK);
    object = quarry_alloc(48);
    quarry_free(object);
    quarry_verify();
}

/* On the host this CPU never drains; in the guest it does, in an interrupt. */
TEST(cpu_that_does_not_respond_is_counted_and_can_be_reaped)
{
    test_heap_fresh();
    if (platform_cpu_count() < 2) {
        test_skip("one CPU");
        return;
    }
    size_t frames_before = quarry_frame_free_count();
    platform_run(2, cache_and_stop_responding, NULL);
    struct quarry_setup setup;
    platform_setup(&setup);
    EXPECT(quarry_drain() == (setup.interrupt_cpu == NULL ? 1 : 0));
    EXPECT(quarry_cpu_reap(1) == QUARRY_OK);
    enum quarry_status again = quarry_cpu_reap(1);
    EXPECT(again == QUARRY_BAD_SETUP);
    EXPECT(quarry_drain() == 0);
    quarry_scavenge();
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPECT(stats.small_cached_bytes == 0 && stats.arenas == 0);
    EXPECT(quarry_frame_free_count() == frames_before);
    quarry_verify();
}

/* The capacities of all classes together stay within the budget for any load. */
TEST(cpu_cache_shares_its_budget_between_classes)
{
    test_heap_fresh();
    static void *objects[200];
    for (unsigned round = 0; round < 3; round++) {
        for (size_t bytes = 8; bytes <= 32 * KIB; bytes += bytes < 256 ? 8 : 504) {
            size_t count = quarry_alloc_batch(bytes, 200, objects);
            REQUIRE(count == 200);
            quarry_free_batch(count, objects);
        }
        quarry_verify();
    }
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPECT(stats.small_live_objects == 0);
    size_t first_arrays = SIZE_CLASS_COUNT * QUARRY_TRANSFER_BYTES;
    size_t longer_arrays = stats.frames_total * QUARRY_FRAME_BYTES / QUARRY_CACHE_SHARE;
    EXPECT(stats.small_cached_bytes <= QUARRY_CACHE_BYTES_MAX + first_arrays + longer_arrays);
    test_heap_drain();
    quarry_stats(&stats);
    EXPECT(stats.small_cached_bytes == 0 && stats.arenas == 0);
}
