/* SPDX-License-Identifier: MIT */
/* The baseline allocators: their blocks do not overlap, and all freed memory joins again. */
#include <quarry/quarry.h>

#include "lib/random.h"
#include "tests/bench/baselines/baseline.h"
#include "tests/framework/test.h"

#define MEMORY_BYTES ((size_t)256 * 1024)
#define LIVE 200u
#define STEPS 5000u

static const struct baseline *const baselines[BASELINE_COUNT] = BASELINES;

struct live {
    unsigned char *object;
    size_t bytes;
    unsigned char mark;
};

static void fill(struct live *live)
{
    for (size_t i = 0; i < live->bytes; i++)
        live->object[i] = live->mark;
}

static bool has_its_mark(const struct live *live)
{
    for (size_t i = 0; i < live->bytes; i++)
        if (live->object[i] != live->mark)
            return false;
    return true;
}

static void release_all(const struct baseline *baseline, struct live *live)
{
    for (unsigned i = 0; i < LIVE; i++) {
        if (live[i].object == NULL)
            continue;
        EXPECT(has_its_mark(&live[i]));
        baseline->release(live[i].object);
        live[i].object = NULL;
    }
}

static void exercise(const struct baseline *baseline, unsigned char *memory)
{
    static struct live live[LIVE];
    struct random random = random_seeded(7);
    baseline->begin(memory, MEMORY_BYTES);
    for (unsigned step = 0; step < STEPS; step++) {
        struct live *one = &live[random_below(&random, LIVE)];
        if (one->object != NULL) {
            EXPECT(has_its_mark(one));
            baseline->release(one->object);
        }
        one->bytes = (size_t)random_below(&random, 1500);
        one->mark = (unsigned char)step;
        one->object = baseline->alloc(one->bytes);
        if (one->object == NULL)
            continue;
        REQUIRE((uintptr_t)one->object % 16 == 0 && one->object >= memory &&
                one->object + one->bytes <= memory + MEMORY_BYTES);
        fill(one);
    }
    release_all(baseline, live);
}

/* All freed memory is one block again. */
static void expect_joined(const struct baseline *baseline)
{
    EXPECT(baseline->free_blocks() == 1);
    EXPECT(baseline->alloc(MEMORY_BYTES - 64) != NULL);
}

TEST(baseline_blocks_are_disjoint_and_join_again)
{
    test_heap_fresh();
    unsigned char *memory = quarry_alloc(MEMORY_BYTES);
    REQUIRE(memory != NULL);
    for (unsigned i = 0; i < BASELINE_COUNT; i++) {
        exercise(baselines[i], memory);
        EXPECT(baselines[i]->alloc(MEMORY_BYTES) == NULL);
        EXPECT(baselines[i]->alloc(SIZE_MAX) == NULL);
        if (baselines[i] != &baseline_linear) /* which frees nothing */
            expect_joined(baselines[i]);
    }
    quarry_free(memory);
}
