/* SPDX-License-Identifier: MIT */
/*
 * The frame allocator against a model with a byte per frame. Every allocated frame must be usable
 * and free in the model, every count exact, every structure consistent.
 */
#include <quarry/quarry.h>

#include "lib/bits.h"
#include "lib/memory.h"
#include "tests/framework/test.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_frames.h"

#define MIB ((uint64_t)1 << 20)
#define HELD 60u
#define CPUS 3u
#define RANGE 99u /* `order` of a range */
#define END_FRAME (150 * 256u)

static const struct quarry_memory_region regions[] = {
    {0, 640 << 10, QUARRY_MEMORY_USABLE},
    {1 * MIB, 62 * MIB, QUARRY_MEMORY_USABLE},
    {63 * MIB, 3 * MIB, QUARRY_MEMORY_RECLAIMABLE},
    {66 * MIB, 60 * MIB + 12288, QUARRY_MEMORY_USABLE},
    {90 * MIB + 4096, 8192, QUARRY_MEMORY_RESERVED},
    {130 * MIB, 20 * MIB, QUARRY_MEMORY_USABLE},
};

struct held {
    size_t first; /* NO_FRAME: the slot is free */
    size_t count;
    unsigned order;
};

struct model {
    struct fake_frames *fake;
    struct choices choices;
    struct held held[HELD];
    size_t free_frames;
    uint8_t used[END_FRAME];
};

static unsigned choose_cpu(struct model *model)
{
    return (unsigned)choose(&model->choices, CPUS);
}

static void note_allocated(struct model *model, const struct held *held)
{
    if (held->first == NO_FRAME)
        return;
    EXPECT(held->first + held->count <= END_FRAME &&
           memory_map_owns(&model->fake->map, held->first, held->first + held->count));
    for (size_t i = held->first; i < held->first + held->count; i++) {
        EXPECT(model->used[i] == 0);
        model->used[i] = 1;
    }
    model->free_frames -= held->count;
}

static void allocate(struct model *model, struct held *held)
{
    struct frame_allocator *allocator = &model->fake->allocator;
    size_t kind = choose(&model->choices, 4);
    if (kind == 0) {
        held->count = 1 + choose(&model->choices, 2000);
        size_t align = (size_t)1 << choose(&model->choices, 11);
        size_t limit = choose(&model->choices, 3) == 0 ? choose(&model->choices, END_FRAME) : 0;
        held->order = RANGE;
        FUZZ_TRACE("h[%zu] = frame_allocator_alloc_range(allocator, %zu, %zu, %zu);",
                   (size_t)(held - model->held), held->count, align, limit);
        held->first = frame_allocator_alloc_range(allocator, held->count, align, limit);
        EXPECT(held->first % align == 0);
        EXPECT(limit == 0 || held->first == NO_FRAME || held->first + held->count <= limit);
    } else if (kind == 1 && choose(&model->choices, 4) == 0) {
        size_t least = 1 + choose(&model->choices, 200);
        FUZZ_TRACE("h[%zu] = frame_allocator_alloc_remnant(allocator, %zu);",
                   (size_t)(held - model->held), least);
        struct frame_range range = frame_allocator_alloc_remnant(allocator, least);
        *held = (struct held){range.first, range.end - range.first, RANGE};
    } else {
        held->order = (unsigned)choose(&model->choices, 10);
        held->count = (size_t)1 << held->order;
        unsigned cpu = choose_cpu(model);
        FUZZ_TRACE("h[%zu] = frame_allocator_alloc(allocator, %u, %u);",
                   (size_t)(held - model->held), cpu, held->order);
        held->first = frame_allocator_alloc(allocator, cpu, held->order);
        EXPECT(held->first % held->count == 0);
    }
    note_allocated(model, held);
}

/* Frees all of it, or a part at the end if it is a range. */
static void release(struct model *model, struct held *held)
{
    struct frame_allocator *allocator = &model->fake->allocator;
    size_t count = held->count;
    if (held->order == RANGE && choose(&model->choices, 2) == 0)
        count = 1 + choose(&model->choices, count);
    size_t first = held->first + held->count - count;
    unsigned cpu = choose_cpu(model);
    size_t number = (size_t)(held - model->held);
    if (held->order == RANGE) {
        FUZZ_TRACE("frame_allocator_free_range(allocator, %u, h[%zu] + %zu, %zu);", cpu, number,
                   first - held->first, count);
        frame_allocator_free_range(allocator, cpu, first, count);
    } else {
        FUZZ_TRACE("frame_allocator_free(allocator, %u, h[%zu], %u);", cpu, number, held->order);
        frame_allocator_free(allocator, cpu, first, held->order);
    }
    for (size_t i = first; i < first + count; i++)
        model->used[i] = 0;
    model->free_frames += count;
    held->count -= count;
    if (held->count == 0)
        held->first = NO_FRAME;
}

static void step(struct model *model)
{
    struct held *held = &model->held[choose(&model->choices, HELD)];
    size_t what = choose(&model->choices, 60);
    if (what < 3)
        FUZZ_TRACE("%s", what == 0   ? "frame_allocator_drain(allocator);"
                         : what == 1 ? "frame_allocator_reclaim(allocator, map);"
                                     : "frame_allocator_verify(allocator);");
    if (what == 0)
        frame_allocator_drain(&model->fake->allocator);
    else if (what == 1)
        model->free_frames += frame_allocator_reclaim(&model->fake->allocator, &model->fake->map);
    else if (what == 2)
        frame_allocator_verify(&model->fake->allocator);
    else if (held->first == NO_FRAME)
        allocate(model, held);
    else
        release(model, held);
    EXPECT(frame_allocator_free_count(&model->fake->allocator) == model->free_frames);
}

void fuzz_frame(const uint8_t *bytes, size_t count)
{
    test_heap_fresh();
    struct model *model = quarry_zeroed(sizeof *model);
    REQUIRE(model != NULL);
    model->choices = (struct choices){bytes, bytes + count};
    model->fake = fake_frames_create(regions, sizeof regions / sizeof regions[0], CPUS);
    REQUIRE(model->fake != NULL);
    model->free_frames = range_set_count_frames(&model->fake->map.usable);
    while (choices_left(&model->choices))
        step(model);
    frame_allocator_verify(&model->fake->allocator);
    for (unsigned i = 0; i < HELD; i++)
        while (model->held[i].first != NO_FRAME)
            release(model, &model->held[i]);
    frame_allocator_drain(&model->fake->allocator);
    frame_allocator_verify(&model->fake->allocator);
    fake_frames_destroy(model->fake);
    quarry_free(model);
}
