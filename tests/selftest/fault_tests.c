/* SPDX-License-Identifier: MIT */
/*
 * Every failure of every lower layer, one after the other: each public function runs with its 1st,
 * 2nd, 3rd ... request failing until it makes no more requests; after each failure the heap is
 * verified, the objects from before are intact, and nothing is lost.
 */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "lib/bits.h"
#include "lib/fault.h"
#include "tests/framework/test.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* What an operation works on: made before the failures begin, freed after them. */
struct stage {
    void *object; /* of the operation, or what became of it */
    size_t bytes;
    uint64_t frame;
};

/* An operation does its work; false: it was refused. Then everything is as before. */
struct operation {
    const char *name;
    size_t bytes; /* of the object that exists before; 0: none */
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
    stage->object = quarry_alloc(300 * KIB);
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
    stage->object = quarry_aligned(64 * KIB, 100 * KIB);
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
    return resize_to(stage, 900 * KIB);
}

static bool grow_beyond_arena(struct stage *stage)
{
    return resize_to(stage, 3 * MIB + 40 * KIB);
}

static bool shrink_inside_a_window(struct stage *stage)
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
    size_t given = quarry_alloc_batch(3000, 40, objects);
    quarry_free_batch(given, objects);
    return given == 40;
}

static bool cpu_off_and_on(struct stage *stage)
{
    (void)stage;
    unsigned cpu = quarry_port_cpu_number();
    quarry_cpu_offline();
    bool online = quarry_cpu_online(cpu) == QUARRY_OK;
    void *object = quarry_alloc(64); /* with a cache or without */
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

static bool frames_odd(struct stage *stage)
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
    {"shrink inside a window", 6 * MIB, shrink_inside_a_window},
    {"shrink to small", 3 * MIB, shrink_to_small},
    {"batch", 0, batch},
    {"cpu off and on", 0, cpu_off_and_on},
    {"frame of order 8", 0, frame_of_order_8},
    {"frames of order 11", 0, frames_of_order_11},
    {"frames, odd", 0, frames_odd},
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

/* One run with one plan; returns the number of requests that the operation made. */
static unsigned run_failing(const struct operation *operation, unsigned first, unsigned count)
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
    fault_arm(FAULT_ALL_SITES, first, count);
    bool done = operation->run(&stage);
    unsigned requests = fault_disarm();
    quarry_verify();
    bool intact = stage.bytes == 0 || has_pattern(stage.object, stage.bytes);
    quarry_free(stage.object);
    if (quarry_port_cpu_cache() != NULL)
        test_heap_settle();
    quarry_verify();
    struct quarry_stats stats;
    quarry_stats(&stats);
    /* A CPU that could not come online again has given its stacks back. */
    bool nothing_lost = stats.frames_free >= frames_before && stats.arenas == 0;
    if (!EXPECT(intact && nothing_lost && (done || requests >= first)))
        test_note("%s, request %u of %u failing (%u in a row): intact %d, %zu of %zu frames, "
                  "%zu arenas",
                  operation->name, first, requests, count, intact, stats.frames_free, frames_before,
                  stats.arenas);
    return requests;
}

static unsigned fail_at_every_step(const struct operation *operation, unsigned in_a_row)
{
    unsigned first = 1;
    while (run_failing(operation, first, in_a_row) >= first && first < 2000)
        first++;
    EXPECT(first < 2000);
    return first - 1;
}

TEST(faults_at_every_step_of_every_function)
{
    test_heap_fresh();
    if (!QUARRY_FAULTS) {
        test_skip("QUARRY_FAULTS is 0");
        return;
    }
    unsigned injected = 0;
    for (unsigned i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        injected += fail_at_every_step(&operations[i], 1);
        injected += fail_at_every_step(&operations[i], 3);
        injected += fail_at_every_step(&operations[i], 1000000); /* from there on for good */
    }
    test_note("%u runs with injected failures", injected);
}
