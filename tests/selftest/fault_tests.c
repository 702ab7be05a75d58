/* SPDX-License-Identifier: MIT */
/*
 * Every failure of the lower layers. Each public function runs repeatedly: its first request fails,
 * then its second, and so on, until it makes no more requests. After each failure the heap is
 * verified, older objects are intact, and no memory is lost.
 */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "lib/bits.h"
#include "lib/fault.h"
#include "lib/random.h"
#include "tests/framework/test.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* The data of an operation: allocated before the failures, freed after them. */
struct stage {
    void *object; /* allocated or resized by the operation */
    size_t bytes;
    uint64_t frame;
};

/* `run` returns false if it failed. Then everything must be as before. */
struct operation {
    const char *name;
    size_t bytes; /* size of an object that exists before; 0: none */
    bool (*run)(struct stage *stage);
};

static bool alloc_small(struct stage *stage)
{
    stage->object = quarry_alloc(100);
    return stage->object != NULL;
}

static bool alloc_page_sized(struct stage *stage)
{
    stage->object = quarry_alloc(32 * KIB);
    return stage->object != NULL;
}

static bool alloc_large(struct stage *stage)
{
    stage->object = quarry_alloc(1100 * KIB);
    return stage->object != NULL;
}

static bool alloc_many_arenas(struct stage *stage)
{
    stage->object = quarry_alloc(5 * MIB + 12 * KIB);
    return stage->object != NULL;
}

static bool alloc_waiting(struct stage *stage)
{
    stage->object = quarry_alloc_with(7 * MIB, QUARRY_ZEROED | QUARRY_MAY_WAIT);
    return stage->object != NULL;
}

static bool alloc_aligned(struct stage *stage)
{
    stage->object = quarry_aligned(64 * KIB, 1100 * KIB);
    return stage->object != NULL;
}

static bool alloc_aligned_beyond_arenas(struct stage *stage)
{
    stage->object = quarry_aligned(8 * MIB, 5000);
    return stage->object != NULL;
}

static bool resize_to(struct stage *stage, size_t bytes)
{
    void *resized = quarry_realloc(stage->object, bytes);
    if (resized == NULL)
        return false;
    stage->object = resized;
    stage->bytes = min_u64(stage->bytes, bytes);
    return true;
}

static bool grow_within_arena(struct stage *stage)
{
    return resize_to(stage, 1700 * KIB);
}

static bool grow_beyond_arena(struct stage *stage)
{
    return resize_to(stage, 3 * MIB + 40 * KIB);
}

static bool shrink_inside_2_mib(struct stage *stage)
{
    return resize_to(stage, 2 * MIB + 100 * KIB);
}

static bool shrink_to_small(struct stage *stage)
{
    return resize_to(stage, 100);
}

static bool batch(struct stage *stage)
{
    void *objects[40];
    (void)stage;
    size_t allocated = quarry_alloc_batch(3000, 40, objects);
    quarry_free_batch(allocated, objects);
    return allocated == 40;
}

static bool cpu_off_and_on(struct stage *stage)
{
    (void)stage;
    unsigned cpu = quarry_port_cpu_number();
    quarry_cpu_offline();
    bool online = quarry_cpu_online(cpu) == QUARRY_OK;
    void *object = quarry_alloc(64); /* works with and without a cache */
    quarry_free(object);
    return online && object != NULL;
}

static bool frame_of_order_8(struct stage *stage)
{
    stage->frame = quarry_frame_alloc(8);
    if (stage->frame != 0)
        quarry_frame_free(stage->frame, 8);
    return stage->frame != 0;
}

static bool frames_of_order_11(struct stage *stage)
{
    stage->frame = quarry_frame_alloc(11);
    if (stage->frame != 0)
        quarry_frame_free(stage->frame, 11);
    return stage->frame != 0;
}

static bool frames_odd_count(struct stage *stage)
{
    stage->frame = quarry_frame_alloc_range(1333, 8192, 0);
    if (stage->frame != 0)
        quarry_frame_free_range(stage->frame, 1333);
    return stage->frame != 0;
}

static const struct operation operations[] = {
    {"alloc small", 0, alloc_small},
    {"alloc page-sized", 0, alloc_page_sized},
    {"alloc large", 0, alloc_large},
    {"alloc many arenas", 0, alloc_many_arenas},
    {"alloc waiting", 0, alloc_waiting},
    {"alloc aligned", 0, alloc_aligned},
    {"alloc aligned beyond arenas", 0, alloc_aligned_beyond_arenas},
    {"grow within an arena", 100 * KIB, grow_within_arena},
    {"grow beyond an arena", 700 * KIB, grow_beyond_arena},
    {"grow small", 100, grow_within_arena},
    {"shrink inside 2 MiB", 6 * MIB, shrink_inside_2_mib},
    {"shrink to small", 3 * MIB, shrink_to_small},
    {"batch", 0, batch},
    {"cpu off and on", 0, cpu_off_and_on},
    {"frame of order 8", 0, frame_of_order_8},
    {"frames of order 11", 0, frames_of_order_11},
    {"frames, odd count", 0, frames_odd_count},
};

static bool has_pattern(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i += 509)
        if (bytes[i] != (unsigned char)(i * 3))
            return false;
    return true;
}

static void set_pattern(unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i += 509)
        bytes[i] = (unsigned char)(i * 3);
}

enum mode { IN_A_ROW, EVERY, RANDOMLY };

/* Which requests fail; see fault.h. */
struct plan {
    enum mode mode;
    unsigned sites;
    unsigned
        first; /* in a row: the first failing one; every n-th: n; randomly: one in this number */
    unsigned count; /* in a row: how many; randomly: the seed */
};

static void arm(const struct plan *plan)
{
    if (plan->mode == IN_A_ROW)
        fault_arm(plan->sites, plan->first, plan->count);
    else if (plan->mode == EVERY)
        fault_arm_every(plan->sites, plan->first);
    else
        fault_arm_randomly(plan->sites, plan->first, plan->count);
}

/* All objects are freed. Verifies the heap and that no frames are lost. There are more free frames
 * than before if this CPU could not go online again, because its magazines are freed then. */
static bool nothing_is_lost(size_t frames_before)
{
    if (quarry_port_cpu()->cache != NULL)
        test_heap_drain();
    quarry_verify();
    struct quarry_stats stats;
    quarry_stats(&stats);
    return stats.frames_free >= frames_before && stats.arenas == 0;
}

/* One run with one plan; returns the number of requests that the operation made. */
static unsigned run_failing(const struct operation *operation, const struct plan *plan)
{
    test_heap_fresh();
    size_t frames_before = quarry_frame_free_count();
    struct stage stage = {.bytes = operation->bytes};
    if (stage.bytes > 0) {
        stage.object = quarry_alloc(stage.bytes);
        if (!EXPECT(stage.object != NULL))
            return 0;
        set_pattern(stage.object, stage.bytes);
    }
    arm(plan);
    bool done = operation->run(&stage);
    unsigned requests = fault_disarm();
    quarry_verify();
    bool intact = stage.bytes == 0 || has_pattern(stage.object, stage.bytes);
    quarry_free(stage.object);
    bool nothing_lost = nothing_is_lost(frames_before);
    bool may_fail = plan->mode != IN_A_ROW || requests >= plan->first;
    if (!EXPECT(intact && nothing_lost && (done || may_fail)))
        test_note("%s, mode %u, sites %#x, %u %u, %u requests: intact %d, nothing lost %d",
                  operation->name, plan->mode, plan->sites, plan->first, plan->count, requests,
                  intact, nothing_lost);
    return requests;
}

static unsigned fail_at_every_step(const struct operation *operation, unsigned sites,
                                   unsigned in_a_row)
{
    struct plan plan = {IN_A_ROW, sites, 1, in_a_row};
    while (run_failing(operation, &plan) >= plan.first && plan.first < 2000)
        plan.first++;
    EXPECT(plan.first < 2000);
    return plan.first - 1;
}

static bool skip_without_faults(void)
{
    if (!QUARRY_FAULTS)
        test_skip("QUARRY_FAULTS is 0");
    return !QUARRY_FAULTS;
}

#define OPERATIONS (sizeof operations / sizeof operations[0])

TEST(faults_at_every_request)
{
    test_heap_fresh();
    if (skip_without_faults())
        return;
    unsigned injected = 0;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        injected += fail_at_every_step(&operations[i], FAULT_ALL_SITES, 1);
        injected += fail_at_every_step(&operations[i], FAULT_ALL_SITES, 3);
        /* All requests from there on. */
        injected += fail_at_every_step(&operations[i], FAULT_ALL_SITES, 1000000);
    }
    test_note("%u runs with injected failures", injected);
}

TEST(faults_by_site)
{
    test_heap_fresh();
    if (skip_without_faults())
        return;
    unsigned injected = 0;
    for (unsigned i = 0; i < OPERATIONS; i++)
        for (unsigned site = 0; site < FAULT_SITES; site++) {
            injected += fail_at_every_step(&operations[i], 1u << site, 1);
            injected += fail_at_every_step(&operations[i], 1u << site, 1000000);
        }
    test_note("%u runs with failures at one site", injected);
}

TEST(faults_at_every_nth_request_and_at_random)
{
    test_heap_fresh();
    if (skip_without_faults())
        return;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        for (unsigned n = 1; n <= 4; n++)
            run_failing(&operations[i], &(struct plan){EVERY, FAULT_ALL_SITES, n, 0});
        for (unsigned seed = 0; seed < 10; seed++)
            run_failing(&operations[i],
                        &(struct plan){RANDOMLY, FAULT_ALL_SITES, 2 + seed % 5, seed});
    }
}

/* ---- memory is exhausted from some point of a mixed run on ---- */

#define MIXED_OBJECTS 40u

struct mixed {
    unsigned char *objects[MIXED_OBJECTS];
    size_t bytes[MIXED_OBJECTS];
};

static void check_object(const struct mixed *mixed, unsigned i)
{
    EXPECT(mixed->objects[i] == NULL || has_pattern(mixed->objects[i], mixed->bytes[i]));
}

/* The same steps each time; only the failing requests differ. */
static void run_mixed(struct mixed *mixed)
{
    struct random random = random_seeded(4711);
    for (unsigned step = 0; step < 300; step++) {
        unsigned i = (unsigned)random_below(&random, MIXED_OBJECTS);
        size_t bytes = 1 + random_below(&random, step % 4 == 0 ? 2500 * KIB : 20 * KIB);
        check_object(mixed, i);
        if (mixed->objects[i] != NULL && step % 3 == 0) {
            unsigned char *resized = quarry_realloc(mixed->objects[i], bytes);
            if (resized == NULL)
                continue;
            mixed->objects[i] = resized;
        } else {
            quarry_free(mixed->objects[i]);
            mixed->objects[i] = quarry_alloc(bytes);
        }
        mixed->bytes[i] = bytes;
        if (mixed->objects[i] != NULL)
            set_pattern(mixed->objects[i], bytes);
        if (step % 10 == 5)
            quarry_scavenge();
    }
}

static unsigned run_mixed_without_memory_from(unsigned first)
{
    test_heap_fresh();
    size_t frames_before = quarry_frame_free_count();
    struct mixed mixed = {0};
    fault_arm(1u << FAULT_FRAME | 1u << FAULT_RANGE | 1u << FAULT_REMNANT, first, 1000000);
    run_mixed(&mixed);
    unsigned requests = fault_disarm();
    quarry_verify();
    for (unsigned i = 0; i < MIXED_OBJECTS; i++) {
        check_object(&mixed, i);
        quarry_free(mixed.objects[i]);
    }
    EXPECT(nothing_is_lost(frames_before));
    return requests;
}

TEST(faults_exhausted_memory_from_any_request_on)
{
    test_heap_fresh();
    if (skip_without_faults())
        return;
    unsigned first = 1;
    while (run_mixed_without_memory_from(first) >= first && first < 2000)
        first++;
    EXPECT(first > 20 && first < 2000);
    test_note("exhausted memory at %u points of a mixed run", first - 1);
}
