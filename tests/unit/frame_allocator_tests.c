/* SPDX-License-Identifier: MIT */
/* The frame allocator, over fake memory, against a model with one byte per frame. */
#include <quarry/quarry.h>

#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/memory.h"
#include "lib/random.h"
#include "tests/framework/platform.h"
#include "tests/framework/test.h"
#include "tests/unit/fake_frames.h"

#define MIB ((uint64_t)1 << 20)
#define U QUARRY_MEMORY_USABLE
#define C QUARRY_MEMORY_RECLAIMABLE
#define R QUARRY_MEMORY_RESERVED

/* About 230 MiB, in four trees, with holes of every kind. */
static const struct quarry_memory_region pieces[] = {
    {0, 640 << 10, U},          {1 * MIB, 119 * MIB, U},
    {33 * MIB + 4096, 8192, R}, {122 * MIB - 8192, 4 * MIB, U},
    {128 * MIB, 10 * MIB, C},   {140 * MIB, 100 * MIB + 12288, U},
};

static struct fake_frames *make_pieces(unsigned cpus)
{
    test_heap_fresh();
    struct fake_frames *fake = fake_frames_create(pieces, sizeof pieces / sizeof pieces[0], cpus);
    EXPECT(fake != NULL);
    return fake;
}

/* ---- the model: 1 for each allocated frame ---- */

struct model {
    uint8_t *allocated;
    size_t end;
};

static bool model_create(struct model *model, const struct fake_frames *fake)
{
    model->end = memory_map_end(&fake->map);
    model->allocated = quarry_zeroed(model->end);
    return EXPECT(model->allocated != NULL);
}

/* The frames must be owned, and free in the model. They become allocated. */
static bool model_alloc(struct model *model, const struct fake_frames *fake, size_t first,
                        size_t count)
{
    if (!EXPECT(memory_map_owns(&fake->map, first, first + count)))
        return false;
    for (size_t i = first; i < first + count; i++) {
        if (!EXPECT(model->allocated[i] == 0))
            return false;
        model->allocated[i] = 1;
    }
    return true;
}

static void model_free(struct model *model, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        model->allocated[i] = 0;
}

struct held {
    size_t first;
    size_t count;
    unsigned order; /* 99: a range */
};

#define HELD_MAX 400

static struct held try_alloc(struct fake_frames *fake, struct random *random)
{
    struct frame_allocator *allocator = &fake->allocator;
    unsigned cpu = (unsigned)random_below(random, allocator->cpus);
    struct held held = {.order = (unsigned)random_below(random, 14)};
    if (held.order <= CHILD_SHIFT) {
        held.count = (size_t)1 << held.order;
        held.first = frame_allocator_alloc(allocator, cpu, held.order);
        EXPECT(held.first % held.count == 0);
        return held;
    }
    held.count = 1 + random_below(random, held.order == 10 ? 3000 : 60);
    size_t align = (size_t)1 << random_below(random, 11);
    size_t limit = held.order == 11 ? 4096 : held.order == 12 ? 30000 : 0;
    if (held.order == 13) {
        struct frame_range range = frame_allocator_alloc_remnant(allocator, 1 + held.count % 60);
        held = (struct held){range.first, range.end - range.first, 99};
        EXPECT(range.first == NO_FRAME || held.count >= 1);
        return held;
    }
    held.order = 99;
    held.first = frame_allocator_alloc_range(allocator, held.count, align, limit);
    EXPECT(held.first % align == 0 &&
           (limit == 0 || held.first + held.count <= limit || held.first == NO_FRAME));
    return held;
}

static void free_held(struct fake_frames *fake, struct random *random, const struct held *held)
{
    unsigned cpu = (unsigned)random_below(random, fake->allocator.cpus);
    if (held->order == 99)
        frame_allocator_free_range(&fake->allocator, cpu, held->first, held->count);
    else
        frame_allocator_free(&fake->allocator, cpu, held->first, held->order);
}

TEST(frames_agree_with_a_model)
{
    struct fake_frames *fake = make_pieces(3);
    struct model model;
    struct held *held = quarry_alloc(HELD_MAX * sizeof *held);
    REQUIRE(fake != NULL && held != NULL && model_create(&model, fake));
    size_t total = range_set_count_frames(&fake->map.usable);
    struct random random = random_seeded(3);
    size_t count = 0;
    size_t allocated = 0;
    for (unsigned round = 0; round < 20000; round++) {
        bool filling = round / 2000 % 2 == 0;
        if (count < HELD_MAX && random_below(&random, 5) < (filling ? 3u : 2u)) {
            held[count] = try_alloc(fake, &random);
            if (held[count].first == NO_FRAME)
                continue;
            REQUIRE(model_alloc(&model, fake, held[count].first, held[count].count));
            allocated += held[count++].count;
        } else if (count > 0) {
            size_t victim = random_below(&random, count);
            free_held(fake, &random, &held[victim]);
            model_free(&model, held[victim].first, held[victim].count);
            allocated -= held[victim].count;
            held[victim] = held[--count];
        }
        REQUIRE(frame_allocator_free_count(&fake->allocator) == total - allocated);
        if (round % 100 == 0)
            frame_allocator_verify(&fake->allocator);
    }
    while (count > 0)
        free_held(fake, &random, &held[--count]);
    EXPECT(frame_allocator_free_count(&fake->allocator) == total);
    frame_allocator_drain(&fake->allocator);
    frame_allocator_verify(&fake->allocator);
    quarry_free(model.allocated);
    quarry_free(held);
    fake_frames_destroy(fake);
}

/* Each frame can be allocated as a single one, and again after all were freed. */
TEST(frames_can_all_be_allocated)
{
    struct fake_frames *fake = make_pieces(2);
    struct model model;
    REQUIRE(fake != NULL && model_create(&model, fake));
    size_t total = range_set_count_frames(&fake->map.usable);
    for (unsigned round = 0; round < 2; round++) {
        size_t count = 0;
        size_t frame;
        while ((frame = frame_allocator_alloc(&fake->allocator, count & 1, 0)) != NO_FRAME) {
            REQUIRE(model_alloc(&model, fake, frame, 1));
            count++;
        }
        EXPECT(count == total);
        EXPECT(frame_allocator_free_count(&fake->allocator) == 0);
        frame_allocator_verify(&fake->allocator);
        for (frame = 1; frame < model.end; frame++)
            if (model.allocated[frame])
                frame_allocator_free(&fake->allocator, (unsigned)frame & 1, frame, 0);
        model_free(&model, 0, model.end);
    }
    quarry_free(model.allocated);
    fake_frames_destroy(fake);
}

/* The last frames are in trees that other CPUs have reserved. */
TEST(frames_of_other_cpus_reservations_are_found)
{
    struct fake_frames *fake = make_pieces(4);
    REQUIRE(fake != NULL);
    struct frame_allocator *allocator = &fake->allocator;
    for (unsigned cpu = 0; cpu < 4; cpu++)
        REQUIRE(frame_allocator_alloc(allocator, cpu, 0) != NO_FRAME);
    size_t rest = frame_allocator_free_count(allocator);
    size_t count = 0;
    while (frame_allocator_alloc(allocator, 3, 0) != NO_FRAME)
        count++;
    EXPECT(count == rest);
    fake_frames_destroy(fake);
}

TEST(frames_come_from_broken_children_first)
{
    static const struct quarry_memory_region one[] = {{64 * MIB, 8 * MIB, U}};
    test_heap_fresh();
    struct fake_frames *fake = fake_frames_create(one, 1, 1);
    REQUIRE(fake != NULL);
    struct frame_allocator *allocator = &fake->allocator;
    size_t child = frame_allocator_alloc(allocator, 0, 0) >> CHILD_SHIFT;
    for (unsigned i = 1; i < CHILD_FRAMES; i++)
        REQUIRE(frame_allocator_alloc(allocator, 0, 0) >> CHILD_SHIFT == child);
    EXPECT(frame_allocator_alloc(allocator, 0, 0) >> CHILD_SHIFT != child);
    fake_frames_destroy(fake);
}

TEST(frames_of_the_first_tree_come_last)
{
    struct fake_frames *fake = make_pieces(1);
    REQUIRE(fake != NULL);
    struct frame_allocator *allocator = &fake->allocator;
    size_t high = 0;
    size_t frame;
    while ((frame = frame_allocator_alloc(allocator, 0, 0)) >= TREE_FRAMES)
        high++;
    EXPECT(frame != NO_FRAME);
    size_t low = 0;
    for (unsigned i = 0; i < fake->map.usable.count; i++) {
        const struct frame_range *range = &fake->map.usable.range[i];
        if (range->first < TREE_FRAMES)
            low += min_u64(range->end, TREE_FRAMES) - range->first;
    }
    EXPECT(high == range_set_count_frames(&fake->map.usable) - low);
    EXPECT(frame_allocator_alloc_range(allocator, 16, 16, 0) != NO_FRAME);
    EXPECT(frame_allocator_alloc_range(allocator, 16, 1, (size_t)1 << 8) < (size_t)1 << 8);
    fake_frames_destroy(fake);
}

/* One frame in a run of 1200 is allocated, at each place in turn. A claim of the run must fail and
 * be undone completely. */
TEST(frames_claim_is_undone_at_every_step)
{
    static const struct quarry_memory_region one[] = {{64 * MIB, 8 * MIB, U}};
    test_heap_fresh();
    struct fake_frames *fake = fake_frames_create(one, 1, 1);
    REQUIRE(fake != NULL);
    struct frame_allocator *allocator = &fake->allocator;
    size_t base = 64 * MIB / FRAME_BYTES;
    size_t total = 2048;
    EXPECT(frame_allocator_alloc_range(allocator, 1, 1, 0) == base);
    frame_allocator_free_range(allocator, 0, base, 1);
    for (size_t place = 0; place < 1200; place++) {
        size_t first = base + 100;
        REQUIRE(frame_allocator_claim(allocator, first + place, 1));
        REQUIRE(!frame_allocator_claim(allocator, first, 1200));
        REQUIRE(frame_allocator_free_count(allocator) == total - 1);
        frame_allocator_verify(allocator);
        frame_allocator_free_range(allocator, 0, first + place, 1);
        REQUIRE(frame_allocator_claim(allocator, first, 1200));
        frame_allocator_free_range(allocator, 0, first, 1200);
    }
    EXPECT(frame_allocator_free_count(allocator) == total);
    EXPECT(!frame_allocator_claim(allocator, base + total - 1, 2));
    EXPECT(!frame_allocator_claim(allocator, base - 1, 2));
    EXPECT(!frame_allocator_claim(allocator, SIZE_MAX, 2));
    fake_frames_destroy(fake);
}

TEST(frames_search_finds_the_only_run)
{
    static const struct quarry_memory_region one[] = {{64 * MIB, 16 * MIB, U}};
    test_heap_fresh();
    struct fake_frames *fake = fake_frames_create(one, 1, 2);
    REQUIRE(fake != NULL);
    struct frame_allocator *allocator = &fake->allocator;
    size_t base = 64 * MIB / FRAME_BYTES;
    REQUIRE(frame_allocator_alloc_range(allocator, 4096, 1, 0) == base);
    EXPECT(frame_allocator_alloc_range(allocator, 1, 1, 0) == NO_FRAME);
    /* A hole of 1025 frames across three children, with aligned frames inside. */
    frame_allocator_free_range(allocator, 0, base + 700, 1025);
    EXPECT(frame_allocator_alloc_range(allocator, 1026, 1, 0) == NO_FRAME);
    EXPECT(frame_allocator_alloc_range(allocator, 1024, 1024, 0) == NO_FRAME);
    EXPECT(frame_allocator_alloc_range(allocator, 512, 1024, 0) == base + 1024);
    frame_allocator_free_range(allocator, 1, base + 1024, 512);
    EXPECT(frame_allocator_alloc_range(allocator, 1025, 1, base + 1724) == NO_FRAME);
    EXPECT(frame_allocator_alloc_range(allocator, 1025, 1, base + 1725) == base + 700);
    EXPECT(frame_allocator_alloc_range(allocator, 0, 1, 0) == NO_FRAME);
    EXPECT(frame_allocator_alloc_range(allocator, SIZE_MAX, 1, 0) == NO_FRAME);
    frame_allocator_verify(allocator);
    fake_frames_destroy(fake);
}

TEST(frames_reclaimable_memory_joins_once)
{
    for (unsigned ready = 0; ready < 2; ready++) {
        struct fake_frames *fake = make_pieces(1);
        REQUIRE(fake != NULL);
        struct frame_allocator *allocator = &fake->allocator;
        size_t before = frame_allocator_free_count(allocator);
        if (ready) /* moves the frontier to the end: the frames join trees that are in use */
            EXPECT(frame_allocator_alloc_range(allocator, 60000, 1, 0) == NO_FRAME);
        EXPECT(!frame_allocator_claim(allocator, 128 * MIB / FRAME_BYTES, 512));
        EXPECT(frame_allocator_reclaim(allocator, &fake->map) == 2560);
        EXPECT(frame_allocator_reclaim(allocator, &fake->map) == 0);
        EXPECT(frame_allocator_free_count(allocator) == before + 2560);
        EXPECT(allocator->total_frames == before + 2560);
        EXPECT(frame_allocator_alloc_range(allocator, 60000, 1, 0) == NO_FRAME);
        REQUIRE(frame_allocator_claim(allocator, 128 * MIB / FRAME_BYTES, 2560));
        frame_allocator_free_range(allocator, 0, 128 * MIB / FRAME_BYTES, 2560);
        frame_allocator_verify(allocator);
        fake_frames_destroy(fake);
    }
}

/* The tables of a tree are built when it is first needed. */
TEST(frames_tables_are_built_when_needed)
{
    static const struct quarry_memory_region large[] = {{1 * MIB, 16384 * MIB, U}};
    test_heap_fresh();
    struct fake_frames *fake = fake_frames_create(large, 1, 2);
    REQUIRE(fake != NULL);
    struct frame_allocator *allocator = &fake->allocator;
    EXPECT(allocator->frontier == 0);
    EXPECT(frame_allocator_alloc(allocator, 0, 0) != NO_FRAME);
    EXPECT(frame_allocator_alloc(allocator, 1, CHILD_SHIFT) != NO_FRAME);
    EXPECT(allocator->frontier <= 3);
    EXPECT(frame_allocator_free_count(allocator) == 16384 * 256 - 1 - 512);
    EXPECT(frame_allocator_alloc_range(allocator, 1 << 18, 1 << 18, 0) == 1 << 18);
    EXPECT(!frame_allocator_claim(allocator, allocator->frontier * TREE_FRAMES + 1, 1));
    frame_allocator_verify(allocator);
    fake_frames_destroy(fake);
}

/* ---- misuse ---- */

/* The allocator's number of CPUs selects the misuse. */
static void free_wrongly(void *argument)
{
    struct fake_frames *fake = argument;
    struct frame_allocator *allocator = &fake->allocator;
    size_t frame = frame_allocator_alloc(allocator, 0, 3);
    size_t huge = frame_allocator_alloc(allocator, 0, CHILD_SHIFT);
    switch (fake->allocator.cpus) {
    case 1:
        frame_allocator_free(allocator, 0, frame, 3);
        frame_allocator_free(allocator, 0, frame, 3);
        break;
    case 2:
        frame_allocator_free(allocator, 0, frame + 1, 3);
        break;
    case 3:
        frame_allocator_free(allocator, 0, huge, 0);
        break;
    case 4:
        frame_allocator_free(allocator, 0, huge, CHILD_SHIFT);
        frame_allocator_free(allocator, 0, huge, CHILD_SHIFT);
        break;
    default:
        frame_allocator_free(allocator, 0, 121 * MIB / FRAME_BYTES, 0);
        break;
    }
}

TEST(frames_misuse_stops_with_a_report)
{
    static const char *const reports[] = {
        "double free of 8 frames at 0x\nis free already",
        "bad free of 8 frames at\nnot aligned to their size",
        "bad free of 1 frames at\npart of the huge frame at",
        "bad free of the huge frame at\nnot allocated as one",
        "bad free of 1 frames at 0x7900000: not Quarry's memory",
    };
    for (unsigned which = 0; which < sizeof reports / sizeof reports[0]; which++) {
        struct fake_frames *fake = make_pieces(which + 1);
        REQUIRE(fake != NULL);
        test_expect_stop(free_wrongly, fake, reports[which]);
    }
}

/* ---- several CPUs at once ---- */

struct crowd {
    struct fake_frames *fake;
    uint8_t *owner; /* per frame: 1 + the CPU that holds it, or 0 */
};

static void crowd_work(void *argument)
{
    struct crowd *crowd = argument;
    struct frame_allocator *allocator = &crowd->fake->allocator;
    unsigned cpu = quarry_port_cpu_number();
    struct random random = random_seeded(cpu);
    struct held held[24];
    unsigned count = 0;
    for (unsigned round = 0; round < 20000; round++) {
        if (count < 24 && random_below(&random, 2) == 0) {
            unsigned order = (unsigned)random_below(&random, 10);
            size_t first = round % 50 == 0
                               ? frame_allocator_alloc_range(allocator, (size_t)3 << order, 1, 0)
                               : frame_allocator_alloc(allocator, cpu, order);
            if (first == NO_FRAME)
                continue;
            size_t frames_held = round % 50 == 0 ? (size_t)3 << order : (size_t)1 << order;
            held[count++] = (struct held){first, frames_held, round % 50 == 0 ? 99 : order};
            for (size_t i = first; i < first + frames_held; i++)
                REQUIRE(atomic_exchange(&crowd->owner[i], (uint8_t)(cpu + 1)) == 0);
        } else if (count > 0) {
            unsigned victim = (unsigned)random_below(&random, count);
            for (size_t i = held[victim].first; i < held[victim].first + held[victim].count; i++)
                REQUIRE(atomic_exchange(&crowd->owner[i], 0) == cpu + 1);
            free_held(crowd->fake, &random, &held[victim]);
            held[victim] = held[--count];
        }
    }
    while (count-- > 0) {
        for (size_t i = held[count].first; i < held[count].first + held[count].count; i++)
            atomic_exchange(&crowd->owner[i], 0);
        free_held(crowd->fake, &random, &held[count]);
    }
}

TEST(frames_are_never_allocated_by_two_cpus)
{
    unsigned cpus = platform_cpu_count();
    struct crowd crowd = {.fake = make_pieces(cpus)};
    REQUIRE(crowd.fake != NULL);
    crowd.owner = quarry_zeroed(memory_map_end(&crowd.fake->map));
    REQUIRE(crowd.owner != NULL);
    size_t before = frame_allocator_free_count(&crowd.fake->allocator);
    platform_run(cpus, crowd_work, &crowd);
    EXPECT(frame_allocator_free_count(&crowd.fake->allocator) == before);
    frame_allocator_verify(&crowd.fake->allocator);
    quarry_free(crowd.owner);
    fake_frames_destroy(crowd.fake);
}

/* ---- small memories ---- */

/* All memory is in the first tree, which is used last. */
TEST(frames_can_all_be_in_the_first_tree)
{
    test_heap_fresh();
    static const struct quarry_memory_region low[] = {
        {1 << 20, 6 << 20, QUARRY_MEMORY_USABLE},
    };
    struct fake_frames *fake = fake_frames_create(low, 1, 2);
    REQUIRE(fake != NULL);
    size_t total = range_set_count_frames(&fake->map.usable);
    size_t allocated = 0;
    for (unsigned order = 10; order-- > 0;)
        while (frame_allocator_alloc(&fake->allocator, allocated % 2, order) != NO_FRAME)
            allocated += (size_t)1 << order;
    EXPECT(allocated == total && frame_allocator_free_count(&fake->allocator) == 0);
    frame_allocator_verify(&fake->allocator);
    fake_frames_destroy(fake);
}

/* A search finds the only free frame of a child. */
TEST(frames_search_finds_a_single_frame)
{
    test_heap_fresh();
    static const struct quarry_memory_region region[] = {
        {66 << 20, 6 << 20, QUARRY_MEMORY_USABLE},
    };
    struct fake_frames *fake = fake_frames_create(region, 1, 1);
    REQUIRE(fake != NULL);
    struct frame_allocator *allocator = &fake->allocator;
    size_t total = range_set_count_frames(&fake->map.usable);
    size_t first = frame_allocator_alloc_range(allocator, total, 1, 0);
    REQUIRE(first == 66 << 8);
    frame_allocator_free_range(allocator, 0, first + 700, 1);
    EXPECT(frame_allocator_alloc_range(allocator, 2, 1, 0) == NO_FRAME);
    EXPECT(frame_allocator_alloc_range(allocator, 1, 1, 0) == first + 700);
    EXPECT(frame_allocator_alloc_range(allocator, 1, 1, 0) == NO_FRAME);
    /* Claims beyond the end, across the highest address, of allocated frames, of free frames. */
    frame_allocator_free_range(allocator, 0, first + 700, 10);
    size_t ready_end = allocator->frontier * TREE_FRAMES;
    EXPECT(!frame_allocator_claim(allocator, ready_end - 1, 2));
    EXPECT(!frame_allocator_claim(allocator, SIZE_MAX - 3, 10));
    EXPECT(!frame_allocator_claim(allocator, first + 699, 11));
    EXPECT(!frame_allocator_claim(allocator, first + 700, 11));
    EXPECT(frame_allocator_claim(allocator, first + 700, 10));
    frame_allocator_verify(allocator);
    fake_frames_destroy(fake);
}
