/* SPDX-License-Identifier: MIT */
/* Stress loops on all CPUs; see stress.h. */
#include "tests/stress/stress.h"

#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/random.h"
#include "tests/framework/platform.h"
#include "tests/framework/test.h"

/* ---- duration ---- */

#define LOOPS 4u

static unsigned seconds_total; /* 0: a fixed number of rounds */

void stress_set_seconds(unsigned seconds)
{
    seconds_total = seconds;
}

struct pace {
    uint64_t end_ms; /* 0: by rounds */
    unsigned rounds;
};

static struct pace pace_start(unsigned rounds)
{
    struct pace pace = {.rounds = rounds};
    if (seconds_total > 0)
        pace.end_ms = platform_milliseconds() + seconds_total * (uint64_t)1000 / LOOPS;
    return pace;
}

#define ROUNDS_PER_SAMPLE 16u

static void timed_pair(void)
{
    quarry_free(quarry_alloc(64));
}

static bool pace_continues(const struct pace *pace, unsigned round)
{
    platform_note_round();
    if (round % ROUNDS_PER_SAMPLE == 0)
        platform_time(timed_pair);
    if (pace->end_ms == 0)
        return round < pace->rounds;
    return round % 64 != 0 || platform_milliseconds() < pace->end_ms;
}

/* ---- running a loop ---- */

struct loop {
    struct pace pace;
    unsigned cpus;
    uint64_t operations; /* atomic */
    void *shared;
    void (*clean_up)(struct loop *loop); /* called on one CPU afterwards; may be NULL */
};

/* The handler of every CPU's timer interrupt allocates and frees. */
static unsigned interrupts; /* atomic: in this loop */

static void allocate_in_interrupt(void)
{
    unsigned now = atomic_fetch_add(&interrupts, 1);
    /* At the timer's highest rate, the next interrupt is pending when a handler on the slow path
     * returns. Every second handler returns at once, so that the interrupted loop makes progress.
     */
    if (now % 2 != 0)
        return;
    static const size_t sizes[] = {24, 64, 200, 1024, 4096, 30000, 70000};
    size_t bytes = sizes[now / 2 % (sizeof sizes / sizeof sizes[0])];
    unsigned char *object = quarry_alloc(bytes);
    if (object == NULL)
        return; /* the interrupted loop may hold all memory */
    object[0] = 1;
    object[bytes - 1] = 2;
    quarry_free(object);
}

static void run_loop(const char *name, void (*work)(void *argument), struct loop *loop,
                     unsigned rounds)
{
    size_t frames_before = quarry_frame_free_count();
    loop->cpus = platform_cpu_count();
    /* Many emulated CPUs share few real ones, so the total work is limited. */
    loop->pace = pace_start(loop->cpus > 8 ? rounds * 8 / loop->cpus : rounds);
    uint64_t start = platform_milliseconds();
    atomic_store_relaxed(&interrupts, 0);
    platform_on_tick(allocate_in_interrupt);
    platform_run(loop->cpus, work, loop);
    platform_on_tick(NULL);
    uint64_t elapsed = platform_milliseconds() - start;
    test_note("%s: %lu operations on %u cpus in %lu ms, %u interrupts, half of which allocate",
              name, (unsigned long)loop->operations, loop->cpus, (unsigned long)elapsed,
              atomic_load_relaxed(&interrupts));
    quarry_verify();
    if (loop->clean_up != NULL)
        loop->clean_up(loop);
    test_heap_drain();
    quarry_verify();
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPECT(stats.small_live_objects == 0 && stats.large_live_objects == 0);
    EXPECT(stats.small_cached_bytes == 0 && stats.arenas == 0);
    EXPECT(stats.frames_free == frames_before);
}

/* Each CPU goes online for the loop, except 0, which is online. It fails if no memory is left. */
static void enter(void)
{
    if (quarry_port_cpu_number() != 0)
        EXPECT(quarry_cpu_online(quarry_port_cpu_number()) != QUARRY_BAD_SETUP);
}

static void leave(struct loop *loop, uint64_t operations)
{
    if (quarry_port_cpu_number() != 0)
        quarry_cpu_offline();
    atomic_fetch_add(&loop->operations, operations);
}

/* ---- contents that identify the object ---- */

/* The first and last words of an object: its address, size and owner, mixed. */
static uint64_t stamp_of(const void *object, size_t bytes, unsigned owner)
{
    return ((uintptr_t)object ^ (bytes << 40) ^ ((uint64_t)owner << 56)) * 0x9e3779b97f4a7c15u;
}

static void stamp(void *object, size_t bytes, unsigned owner)
{
    uint64_t *words = object;
    uint64_t value = stamp_of(object, bytes, owner);
    for (size_t i = 0; i < bytes / 8; i += i < 16 ? 1 : 61)
        words[i] = value + i;
    words[bytes / 8 - 1] = value;
}

static bool is_stamped(const void *object, size_t bytes, unsigned owner)
{
    const uint64_t *words = object;
    uint64_t value = stamp_of(object, bytes, owner);
    for (size_t i = 0; i + 1 < bytes / 8; i += i < 16 ? 1 : 61)
        if (words[i] != value + i)
            return false;
    return words[bytes / 8 - 1] == value;
}

/* Mostly small, sometimes large; multiples of 8, at least 16. */
static size_t random_size(struct random *random)
{
    uint64_t kind = random_below(random, 100);
    uint64_t most = kind < 60 ? 256 : kind < 90 ? 4096 : kind < 99 ? 40000 : 400000;
    return 16 + random_below(random, most) / 8 * 8;
}

/* ---- loop 1: mixed sizes, contents checked on free ---- */

#define OWN_OBJECTS 150

struct own {
    void *object;
    size_t bytes;
};

static bool replace(struct own *own, struct random *random, unsigned owner)
{
    if (own->object != NULL) {
        bool intact = is_stamped(own->object, own->bytes, owner);
        if (random_below(random, 4) == 0) {
            size_t bytes = random_size(random);
            void *moved = quarry_realloc(own->object, bytes);
            if (moved != NULL) {
                own->object = moved;
                own->bytes = bytes;
                stamp(moved, bytes, owner);
            }
            return intact;
        }
        quarry_free_sized(own->object, own->bytes);
        own->object = NULL;
        return intact;
    }
    own->bytes = random_size(random);
    own->object = quarry_alloc(own->bytes);
    if (own->object != NULL)
        stamp(own->object, own->bytes, owner);
    return true;
}

static void mixed_work(void *argument)
{
    struct loop *loop = argument;
    enter();
    unsigned cpu = quarry_port_cpu_number();
    struct random random = random_seeded(cpu + 100);
    struct own *own = quarry_calloc(OWN_OBJECTS, sizeof *own);
    unsigned round = 0;
    if (EXPECT(own != NULL)) {
        for (; pace_continues(&loop->pace, round); round++)
            if (!EXPECT(replace(&own[random_below(&random, OWN_OBJECTS)], &random, cpu)))
                break;
        for (unsigned i = 0; i < OWN_OBJECTS; i++)
            quarry_free(own[i].object);
    }
    quarry_free(own);
    leave(loop, round);
}

TEST(stress_mixed_sizes)
{
    test_heap_fresh();
    struct loop loop = {0};
    run_loop("mixed sizes", mixed_work, &loop, 20000);
}

/* ---- loop 2: allocated on one CPU, freed on another ---- */

#define RING_SLOTS 256

/* A slot is empty (NULL) or holds an object. The CPU that swaps an object out owns it. */
struct ring {
    void *slots[RING_SLOTS];
};

/* An object that contains its size and the CPU that allocated it. */
struct parcel {
    uint64_t bytes;
    uint64_t allocated_by;
    uint64_t stamp;
};

static struct parcel *parcel_alloc(struct random *random)
{
    size_t bytes = sizeof(struct parcel) + random_size(random);
    struct parcel *parcel = quarry_alloc(bytes);
    if (parcel == NULL)
        return NULL;
    parcel->bytes = bytes;
    parcel->allocated_by = quarry_port_cpu_number();
    parcel->stamp = stamp_of(parcel, bytes, (unsigned)parcel->allocated_by);
    ((unsigned char *)parcel)[bytes - 1] = (unsigned char)parcel->stamp;
    return parcel;
}

static bool parcel_free(struct parcel *parcel)
{
    bool intact =
        parcel->stamp == stamp_of(parcel, parcel->bytes, (unsigned)parcel->allocated_by) &&
        ((unsigned char *)parcel)[parcel->bytes - 1] == (unsigned char)parcel->stamp;
    quarry_free_sized(parcel, parcel->bytes);
    return intact;
}

static void exchange_work(void *argument)
{
    struct loop *loop = argument;
    struct ring *ring = loop->shared;
    enter();
    struct random random = random_seeded(quarry_port_cpu_number() + 200);
    unsigned round = 0;
    for (; pace_continues(&loop->pace, round); round++) {
        struct parcel *parcel = parcel_alloc(&random);
        parcel = atomic_exchange(&ring->slots[random_below(&random, RING_SLOTS)], (void *)parcel);
        if (parcel != NULL && !EXPECT(parcel_free(parcel)))
            break;
    }
    leave(loop, round);
}

static void empty_ring(struct loop *loop)
{
    struct ring *ring = loop->shared;
    for (size_t i = 0; i < RING_SLOTS; i++) {
        if (ring->slots[i] != NULL)
            EXPECT(parcel_free(ring->slots[i]));
        ring->slots[i] = NULL;
    }
}

TEST(stress_free_on_another_cpu)
{
    test_heap_fresh();
    static struct ring ring;
    struct loop loop = {.shared = &ring, .clean_up = empty_ring};
    run_loop("exchange", exchange_work, &loop, 20000);
}

/* ---- loop 3: all CPUs allocate until memory is exhausted, then free ---- */

struct chained {
    struct chained *next;
};

static void exhaust_work(void *argument)
{
    struct loop *loop = argument;
    enter();
    struct random random = random_seeded(quarry_port_cpu_number() + 300);
    uint64_t operations = 0;
    for (unsigned round = 0; pace_continues(&loop->pace, round * 64); round++) {
        struct chained *chain = NULL;
        unsigned refused = 0;
        while (refused < 3) {
            struct chained *object = quarry_alloc(8 + random_below(&random, 60000));
            refused += object == NULL;
            if (object == NULL)
                continue;
            object->next = chain;
            chain = object;
            operations++;
        }
        while (chain != NULL) {
            struct chained *next = chain->next;
            quarry_free(chain);
            chain = next;
        }
    }
    leave(loop, operations);
}

TEST(stress_exhausted_memory)
{
    test_heap_fresh();
    if (test_skip_large_machine())
        return;
    struct loop loop = {0};
    run_loop("exhaustion", exhaust_work, &loop, 3 * 64);
}

/* ---- loop 4: CPUs go offline and online, frames, remote drains ---- */

static bool hotplug_round(struct random *random, unsigned cpu)
{
    struct own own[20] = {{NULL, 0}};
    bool intact = true;
    for (unsigned i = 0; i < 20; i++)
        intact &= replace(&own[i], random, cpu);
    unsigned order = (unsigned)random_below(random, 10);
    uint64_t frame = quarry_frame_alloc(order);
    if (cpu != 0)
        quarry_cpu_offline();
    for (unsigned i = 0; i < 10; i++)
        intact &= own[i].object == NULL || is_stamped(own[i].object, own[i].bytes, cpu);
    for (unsigned i = 0; i < 10; i++)
        quarry_free(own[i].object);
    if (cpu != 0)
        intact &= quarry_cpu_online(cpu) != QUARRY_BAD_SETUP;
    for (unsigned i = 10; i < 20; i++)
        quarry_free(own[i].object);
    if (frame != 0)
        quarry_frame_free(frame, order);
    return intact;
}

static void hotplug_work(void *argument)
{
    struct loop *loop = argument;
    enter();
    unsigned cpu = quarry_port_cpu_number();
    struct random random = random_seeded(cpu + 400);
    uint64_t operations = 0;
    for (unsigned round = 0; pace_continues(&loop->pace, round * 16); round++) {
        if (!EXPECT(hotplug_round(&random, cpu)))
            break;
        if (cpu == 0 && round % 16 == 0)
            quarry_drain();
        if (random_below(&random, 8) == 0)
            quarry_scavenge_step();
        operations += 40;
    }
    leave(loop, operations);
}

TEST(stress_cpus_offline_and_online)
{
    test_heap_fresh();
    struct loop loop = {0};
    run_loop("hotplug", hotplug_work, &loop, 16 * 300);
}
