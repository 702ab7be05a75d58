/* SPDX-License-Identifier: MIT */
/*
 * An interrupt at every instruction. Each path through the allocator runs one instruction at a
 * time. After every instruction at which interrupts are on, a handler allocates and frees. Then an
 * NMI at every instruction, with interrupts on or masked: its handler frees frames.
 */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "lib/atomic.h"
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

/* ---- an NMI at every instruction ---- */

/*
 * Frames for the handler. If there are more instructions than frames, the path runs several times,
 * and each time the handler frees at other instructions. It pauses after some instructions: a
 * compare-and-swap never succeeds if each attempt is interrupted by a free that changes the word.
 */
#define NMI_FRAMES_MAX 6000u
#define NMI_BURST 256u
#define NMI_STEPS_MAX 3000000ul /* of all runs of a path, about */

#ifndef QUARRY_MASKED
#define QUARRY_MASKED 0
#endif

/* With QUARRY_MASKED an NMI handler must not free single frames. */
#define NMI_ORDER (QUARRY_MASKED ? 1u : 0u)

static struct {
    uint64_t physical;
    unsigned order;
} nmi_frames[NMI_FRAMES_MAX];

static unsigned nmi_frame_count;
static unsigned long nmi_turn;
static unsigned long nmi_distance; /* of the instructions in a burst at which the handler frees */
static unsigned long nmi_run;      /* 0 to 2 * nmi_distance - 1 */
static bool nmi_exhausted;

/* Mostly the lowest order, some of 8 frames, few huge ones; at most a quarter of the memory. */
static void alloc_nmi_frames(void)
{
    size_t most = quarry_frame_free_count() / 4;
    size_t frames = 0;
    for (nmi_frame_count = 0; nmi_frame_count < NMI_FRAMES_MAX; nmi_frame_count++) {
        unsigned i = nmi_frame_count;
        unsigned order = i % 1000 == 7 ? QUARRY_ORDER_HUGE : i % 16 == 1 ? 3 : NMI_ORDER;
        frames += (size_t)1 << order;
        nmi_frames[i].physical = frames <= most ? quarry_frame_alloc(order) : 0;
        nmi_frames[i].order = order;
        if (nmi_frames[i].physical == 0)
            break;
    }
}

static void free_nmi_frame(void)
{
    nmi_frame_count--;
    quarry_frame_free(nmi_frames[nmi_frame_count].physical, nmi_frames[nmi_frame_count].order);
}

static void only_count(void)
{
}

static bool nmi_frees_now(void)
{
    unsigned long now = nmi_turn++;
    return now % nmi_distance == nmi_run / 2 && now / NMI_BURST % 2 == nmi_run % 2;
}

static void free_in_nmi(void)
{
    if (!nmi_frees_now())
        return;
    if (nmi_frame_count == 0)
        nmi_exhausted = true;
    else
        free_nmi_frame();
}

static void step_nmi_run(const struct path *path)
{
    size_t frames_before = quarry_frame_free_count();
    nmi_turn = 0;
    alloc_nmi_frames();
    platform_step_nmi(path->run, NULL, free_in_nmi);
    while (nmi_frame_count > 0)
        free_nmi_frame();
    test_heap_drain();
    quarry_verify();
    EXPECT(!nmi_exhausted && quarry_frame_free_count() == frames_before);
}

/*
 * The number of instructions varies: it depends on which frames are free. Where all runs would take
 * long (a small memory, a hardened build), only some are done, and the note says so.
 */
static void step_nmi_through(const struct path *path)
{
    test_heap_drain();
    alloc_nmi_frames();
    unsigned long points = platform_step_nmi(path->run, NULL, only_count);
    nmi_distance = nmi_frame_count > 0 ? 2 * points / nmi_frame_count + 1 : 1;
    while (nmi_frame_count > 0)
        free_nmi_frame();
    test_heap_drain();
    unsigned long runs = 2 * nmi_distance;
    unsigned long stride = runs * points / NMI_STEPS_MAX + 1;
    for (nmi_run = 0; nmi_run < runs; nmi_run += stride)
        step_nmi_run(path);
    test_note("%s: NMIs at %lu instructions, one of %lu runs done", path->name, points, stride);
}

TEST(step_nmi_at_every_instruction)
{
    test_heap_fresh();
    if (platform_step_nmi(hit, NULL, only_count) == 0) {
        test_skip("no single steps on this platform");
        return;
    }
    nmi_exhausted = false;
    for (unsigned i = 0; i < sizeof paths / sizeof paths[0]; i++)
        step_nmi_through(&paths[i]);
}

/* ---- NMIs that the machine sends; the test matrix injects them ---- */

#define NMI_ROUNDS 100000u

static uint64_t nmi_slots[64]; /* atomic: a frame of each CPU that the next NMI frees, or 0 */
static unsigned nmis;          /* atomic */
static unsigned nmi_frees;     /* atomic */

static void free_slot_in_nmi(void)
{
    atomic_fetch_add(&nmis, 1);
    unsigned cpu = quarry_port_cpu_number();
    uint64_t frame = cpu < 64 ? atomic_exchange(&nmi_slots[cpu], 0) : 0;
    if (frame != 0) {
        quarry_frame_free(frame, NMI_ORDER);
        atomic_fetch_add(&nmi_frees, 1);
    }
}

static void alloc_and_free_rest(unsigned round)
{
    uint64_t frames[20];
    for (unsigned i = 0; i < 20; i++)
        frames[i] = quarry_frame_alloc(i % 5 == 0 ? 3 : 0);
    quarry_free(quarry_alloc(64 + round % 5000));
    for (unsigned i = 0; i < 20; i++)
        if (frames[i] != 0)
            quarry_frame_free(frames[i], i % 5 == 0 ? 3 : 0);
    if (round % 512 == 0)
        quarry_scavenge();
}

static void work_under_nmis(void *unused)
{
    (void)unused;
    unsigned cpu = quarry_port_cpu_number();
    if (cpu != 0)
        EXPECT(quarry_cpu_online(cpu) == QUARRY_OK);
    for (unsigned round = 0; round < NMI_ROUNDS; round++) {
        if (cpu < 64 && atomic_load_relaxed(&nmi_slots[cpu]) == 0)
            atomic_store_release(&nmi_slots[cpu], quarry_frame_alloc(NMI_ORDER));
        alloc_and_free_rest(round);
    }
    uint64_t left = cpu < 64 ? atomic_exchange(&nmi_slots[cpu], 0) : 0;
    if (left != 0)
        quarry_frame_free(left, NMI_ORDER);
    if (cpu != 0)
        quarry_cpu_offline();
}

TEST(nmi_frees_frames_on_all_cpus)
{
    test_heap_fresh();
    size_t frames_before = quarry_frame_free_count();
    platform_on_nmi(free_slot_in_nmi);
    test_note("NMIs are expected from here");
    platform_run(platform_cpu_count() < 4 ? platform_cpu_count() : 4, work_under_nmis, NULL);
    test_note("%u NMIs until here, %u frames freed in them", nmis, nmi_frees);
    platform_on_nmi(NULL);
    quarry_verify();
    test_heap_drain();
    EXPECT(quarry_frame_free_count() == frames_before);
}
