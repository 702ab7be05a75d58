/* SPDX-License-Identifier: MIT */
/*
 * An interrupt at every instruction. Each path through the allocator runs one instruction at a
 * time. After every instruction at which interrupts are on, a handler allocates and frees.
 */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/quarry.h>

#include "tests/framework/platform.h"
#include "tests/framework/test.h"

#define KIB ((size_t)1024)

/* ---- the handler: allocates at one instruction and frees some instructions later ---- */

#define HELD 13u

static void *held[HELD];
static uint64_t held_frames[HELD];
static unsigned turn;
static bool corrupted;

/*
 * Without the frame cache, a frame is allocated in a loop of compare-and-swap. If a handler changed
 * the word at every iteration, the loop would never end. So the handler allocates frames rarely.
 */
#define FRAME_TURNS (QUARRY_FRAME_CACHE_FRAMES > 0 ? 3u : 1009u)

static void frame_between(unsigned place)
{
    if (held_frames[place] != 0) {
        quarry_frame_free(held_frames[place], 0);
        held_frames[place] = 0;
    } else {
        held_frames[place] = quarry_frame_alloc(0);
    }
}

static void allocate_between(void)
{
    static const size_t sizes[] = {64, 24,       200, 64,       1024, 200,
                                   64, 40 * KIB, 64,  32 * KIB, 200,  3000};
    unsigned place = turn % HELD;
    unsigned char *object = held[place];
    if (object != NULL) {
        corrupted = corrupted || object[0] != (unsigned char)place;
        quarry_free(object);
        held[place] = NULL;
    } else {
        object = quarry_alloc(sizes[turn % (sizeof sizes / sizeof sizes[0])]);
        if (object != NULL)
            object[0] = (unsigned char)place;
        held[place] = object;
    }
    if (turn % FRAME_TURNS == 0)
        frame_between(place);
    turn++;
}

/* ---- the paths ---- */

static void *objects[200];

static void hit(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 40; i++) {
        quarry_free(quarry_alloc(64));
        uint64_t *zeroed = quarry_zeroed(8 + i);
        for (unsigned word = 0; word < (8 + i) / 8; word++)
            corrupted = corrupted || zeroed[word] != 0;
        zeroed[0] = UINT64_MAX; /* the next quarry_zeroed() must clear it */
        quarry_free(zeroed);
    }
}

/* Empties and fills the magazine: refill, growth of the magazine, overflow. */
static void refill_and_overflow(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 200; i++)
        objects[i] = quarry_alloc(64);
    for (unsigned i = 0; i < 200; i++)
        quarry_free(objects[i]);
}

/* Allocations of this size soon need new spans, which are freed later. */
static void alloc_and_free_spans(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 12; i++)
        objects[i] = quarry_alloc(20 * KIB);
    for (unsigned i = 0; i < 12; i++)
        quarry_free(objects[i]);
    quarry_scavenge();
}

static void large(void *unused)
{
    (void)unused;
    void *one = quarry_alloc(1100 * KIB);
    void *two = quarry_alloc(3000 * KIB);
    one = quarry_realloc(one, 1300 * KIB);
    quarry_free(two);
    quarry_free(one);
}

static void realloc_and_sized(void *unused)
{
    (void)unused;
    void *object = quarry_alloc(16);
    size_t bytes = 16;
    for (; bytes <= 600; bytes += 40)
        object = quarry_realloc(object, bytes);
    quarry_free_sized(object, bytes - 40);
    size_t allocated = quarry_alloc_batch(200, 50, objects);
    quarry_free_batch(allocated, objects);
}

static void frames(void *unused)
{
    (void)unused;
    for (unsigned order = 0; order <= 9; order++)
        quarry_frame_free(quarry_frame_alloc(order), order);
    uint64_t singles[2 * QUARRY_FRAME_CACHE_FRAMES + 1]; /* empties and overflows the cache */
    for (unsigned i = 0; i < sizeof singles / sizeof singles[0]; i++)
        singles[i] = quarry_frame_alloc(0);
    for (unsigned i = 0; i < sizeof singles / sizeof singles[0]; i++)
        quarry_frame_free(singles[i], 0);
    uint64_t range = quarry_frame_alloc_range(700, 0, 0);
    quarry_frame_free_range(range, 700);
}

static void cpu_off_and_on(void *unused)
{
    (void)unused;
    quarry_cpu_offline();
    quarry_free(quarry_alloc(64));
    quarry_cpu_online(0);
}

struct path {
    const char *name;
    void (*run)(void *unused);
};

static const struct path paths[] = {
    {"hit", hit},
    {"refill and overflow", refill_and_overflow},
    {"alloc and free spans", alloc_and_free_spans},
    {"large", large},
    {"realloc and sized", realloc_and_sized},
    {"frames", frames},
    {"cpu off and on", cpu_off_and_on},
};

static void free_held(void)
{
    for (unsigned i = 0; i < HELD; i++) {
        quarry_free(held[i]);
        held[i] = NULL;
        if (held_frames[i] != 0)
            quarry_frame_free(held_frames[i], 0);
        held_frames[i] = 0;
    }
}

/* No memory may be lost, and no object corrupted. */
static void check_path(const struct path *path, const char *kind, unsigned long points,
                       size_t frames)
{
    test_note("%s: %s at %lu instructions", path->name, kind, points);
    quarry_verify();
    free_held();
    test_heap_drain();
    quarry_verify();
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPECT(!corrupted && stats.small_live_objects == 0 && stats.large_live_objects == 0);
    EXPECT(stats.arenas == 0 && stats.frames_free == frames);
}

static void step_through(const struct path *path, const char *kind, void (*between)(void))
{
    size_t frames_before = quarry_frame_free_count();
    corrupted = false;
    unsigned long points = platform_step(path->run, NULL, between);
    platform_move_to(0);
    if (points > 0)
        check_path(path, kind, points, frames_before);
    else
        test_skip("no single steps on this platform");
}

TEST(step_interrupt_at_every_instruction)
{
    test_heap_fresh();
    for (unsigned i = 0; i < sizeof paths / sizeof paths[0]; i++)
        step_through(&paths[i], "interrupted", allocate_between);
}

/* ---- a thread that moves to another CPU at every interrupt ---- */

static void migrate_between(void)
{
    allocate_between();
    platform_move_to(turn % 2);
    allocate_between();
}

/* Without the last path: a thread that takes its CPU offline must not move. */
TEST(step_migration_at_every_instruction)
{
    if (platform_cpu_count() < 2) {
        test_skip("one CPU");
        return;
    }
    test_heap_fresh();
    platform_move_to(1);
    EXPECT(quarry_cpu_online(1) == QUARRY_OK);
    platform_move_to(0);
    for (unsigned i = 0; i + 1 < sizeof paths / sizeof paths[0]; i++)
        step_through(&paths[i], "moved", migrate_between);
    EXPECT(quarry_cpu_reap(1) == QUARRY_OK);
}
