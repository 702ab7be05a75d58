/* SPDX-License-Identifier: MIT */
/* The yardsticks are allocators too: what they give is disjoint, and all of it comes back. */
#include <quarry/quarry.h>

#include "lib/random.h"
#include "tests/bench/yardsticks/yardstick.h"
#include "tests/framework/test.h"

#define MEMORY_BYTES ((size_t)256 * 1024)
#define LIVE 200u
#define STEPS 5000u

static const struct yardstick *const yardsticks[YARDSTICK_COUNT] = YARDSTICKS;

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

static bool is_whole(const struct live *live)
{
    for (size_t i = 0; i < live->bytes; i++)
        if (live->object[i] != live->mark)
            return false;
    return true;
}

static void release_all(const struct yardstick *yardstick, struct live *live)
{
    for (unsigned i = 0; i < LIVE; i++) {
        if (live[i].object == NULL)
            continue;
        EXPECT(is_whole(&live[i]));
        yardstick->release(live[i].object);
        live[i].object = NULL;
    }
}

static void exercise(const struct yardstick *yardstick, unsigned char *memory)
{
    static struct live live[LIVE];
    struct random random = random_seeded(7);
    yardstick->begin(memory, MEMORY_BYTES);
    for (unsigned step = 0; step < STEPS; step++) {
        struct live *one = &live[random_below(&random, LIVE)];
        if (one->object != NULL) {
            EXPECT(is_whole(one));
            yardstick->release(one->object);
        }
        one->bytes = (size_t)random_below(&random, 1500);
        one->mark = (unsigned char)step;
        one->object = yardstick->alloc(one->bytes);
        if (one->object == NULL)
            continue;
        REQUIRE((uintptr_t)one->object % 16 == 0 && one->object >= memory &&
                one->object + one->bytes <= memory + MEMORY_BYTES);
        fill(one);
    }
    release_all(yardstick, live);
}

/* All that was freed is one block again, but where nothing is ever freed. */
static void expect_joined(const struct yardstick *yardstick)
{
    EXPECT(yardstick->free_blocks() == 1);
    EXPECT(yardstick->alloc(MEMORY_BYTES - 64) != NULL);
}

TEST(yardsticks_give_disjoint_blocks_and_join_them)
{
    test_heap_fresh();
    unsigned char *memory = quarry_alloc(MEMORY_BYTES);
    REQUIRE(memory != NULL);
    for (unsigned i = 0; i < YARDSTICK_COUNT; i++) {
        exercise(yardsticks[i], memory);
        EXPECT(yardsticks[i]->alloc(MEMORY_BYTES) == NULL);
        EXPECT(yardsticks[i]->alloc(SIZE_MAX) == NULL);
        if (yardsticks[i] != &yardstick_linear)
            expect_joined(yardsticks[i]);
    }
    quarry_free(memory);
}
