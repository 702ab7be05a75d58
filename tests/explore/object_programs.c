/* SPDX-License-Identifier: MIT */
/* Objects: central lists, transfer caches, spans, large objects, arenas. */
#include <quarry/quarry.h>

#include "lib/atomic.h"
#include "tests/explore/explore_heap.h"
#include "tests/explore/scheduler.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static void *objects[64];
static void *handed; /* passed from one CPU to another; atomic */

static void fresh(void)
{
    explore_heap_fresh(10 * MIB);
    handed = NULL;
}

static void fresh_with_caches(void)
{
    fresh();
    explore_cpus_online();
}

static void nothing_lost(void)
{
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPLORE_CHECK(stats.small_live_objects == 0 && stats.large_live_objects == 0);
    explore_expect_nothing_lost();
}

/* ---- small objects of one class ---- */

static void use_object(size_t bytes, unsigned char value)
{
    void *object = quarry_alloc(bytes);
    EXPLORE_CHECK(object != NULL);
    explore_fill(object, bytes, value);
    explore_expect_filled(object, bytes, value);
    quarry_free(object);
}

static void use_small_0(void)
{
    use_object(64, 1);
    use_object(64, 2);
}

static void use_small_1(void)
{
    use_object(64, 3);
}

static void use_span_0(void)
{
    use_object(20 * KIB, 4);
}

static void use_span_1(void)
{
    use_object(24 * KIB, 5);
}

/* The span is freed, and its pages can be used again at once. */
static void use_span_and_scavenge(void)
{
    use_object(20 * KIB, 4);
    quarry_scavenge();
}

/* ---- freed by another CPU, while a span is freed and another one uses its pages ---- */

static void hand_over(void)
{
    void *object = quarry_alloc(20 * KIB);
    explore_fill(object, 20 * KIB, 7);
    atomic_store_release(&handed, object);
    use_object(20 * KIB, 8);
    quarry_scavenge();
    use_object(28 * KIB, 9);
}

static void free_handed(void)
{
    void *object = atomic_load_acquire(&handed);
    if (object == NULL)
        return; /* not allocated yet in this schedule */
    explore_expect_filled(object, 20 * KIB, 7);
    quarry_free(object);
    atomic_store_release(&handed, NULL);
    use_object(28 * KIB, 10);
}

static void as_cpu_0_free_handed(void)
{
    quarry_free(handed);
    handed = NULL;
}

static void free_rest(void)
{
    explore_as_cpu(0, as_cpu_0_free_handed);
    nothing_lost();
}

/* Each CPU frees an object of the same arena; the arena becomes idle and is returned. */
static void alloc_two(void)
{
    objects[0] = quarry_alloc(32 * KIB);
    objects[1] = quarry_alloc(1100 * KIB);
}

static void two_in_one_arena(void)
{
    fresh();
    explore_as_cpu(0, alloc_two);
}

static void free_first_and_scavenge(void)
{
    quarry_free(objects[0]);
    quarry_scavenge();
}

static void free_second_and_alloc(void)
{
    quarry_free(objects[1]);
    use_object(1100 * KIB, 11);
}

static void alloc_large(void)
{
    objects[0] = quarry_alloc(1100 * KIB);
    objects[1] = quarry_alloc(1100 * KIB);
}

static void one_large(void)
{
    fresh();
    explore_as_cpu(0, alloc_large);
}

/* ---- large objects: new and returned arenas, growth in place ---- */

static void use_large_0(void)
{
    use_object(1100 * KIB, 12);
}

static void use_large_1(void)
{
    use_object(1500 * KIB, 13);
}

static void use_arenas(void)
{
    use_object(3 * MIB, 14);
}

static void scavenge(void)
{
    quarry_scavenge();
}

static void scavenge_steps(void)
{
    for (unsigned i = 0; i < 10; i++)
        quarry_scavenge_step();
}

/* A transfer cache that has grown, with objects that are not needed. */
#define MANY 3000u

static void grow_transfer_cache(void)
{
    static void *many[MANY];
    size_t count = quarry_alloc_batch(16, MANY, many);
    quarry_free_batch(count, many);
}

static void fresh_with_grown_transfer_cache(void)
{
    fresh();
    explore_as_cpu(0, grow_transfer_cache);
}

static void use_16_bytes(void)
{
    use_object(16, 3);
    use_object(16, 4);
}

static void two_scavenge_steps(void)
{
    quarry_scavenge_step();
    quarry_scavenge_step();
}

static void leave_idle_arena(void)
{
    quarry_free(quarry_alloc(1100 * KIB));
}

static void fresh_with_idle_arena(void)
{
    fresh();
    explore_as_cpu(0, leave_idle_arena);
}

static void grow_and_free(void)
{
    void *grown = quarry_realloc(objects[0], 1300 * KIB);
    EXPLORE_CHECK(grown != NULL);
    explore_fill(grown, 1300 * KIB, 15);
    explore_expect_filled(grown, 1300 * KIB, 15);
    quarry_free(grown);
}

static void free_second(void)
{
    quarry_free(objects[1]);
}

/* Short, so that each interleaving with one preemption is tried early. */
static void alloc_large_0(void)
{
    objects[0] = quarry_alloc(1100 * KIB);
}

static void alloc_large_1(void)
{
    objects[1] = quarry_alloc(1100 * KIB);
}

static void two_are_counted(void)
{
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPLORE_CHECK(stats.large_live_objects == 2);
    quarry_free(objects[0]);
    quarry_free(objects[1]);
    nothing_lost();
}

/* Statistics that are read during changes are plausible, and nothing stops. */
static void read_stats(void)
{
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPLORE_CHECK(stats.frames_free <= stats.frames_total);
}

static const struct explore_program programs[] = {
    {"objects: one class", 2, fresh, {use_small_0, use_small_1}, nothing_lost, NULL},
    {"objects: one class, three CPUs",
     3,
     fresh,
     {use_small_1, use_small_1, use_small_1},
     nothing_lost,
     NULL},
    {"objects: one class with caches",
     2,
     fresh_with_caches,
     {use_small_0, use_small_1},
     nothing_lost,
     NULL},
    {"objects: spans of two classes", 2, fresh, {use_span_0, use_span_1}, nothing_lost, NULL},
    {"objects: a span is freed, another class uses its pages",
     2,
     fresh,
     {use_span_and_scavenge, use_span_1},
     nothing_lost,
     NULL},
    {"objects: freed by another CPU while a span is replaced",
     2,
     fresh,
     {hand_over, free_handed},
     free_rest,
     NULL},
    {"objects: two CPUs free the last two of an arena",
     2,
     two_in_one_arena,
     {free_first_and_scavenge, free_second_and_alloc},
     nothing_lost,
     NULL},
    {"objects: two large ones in one arena",
     2,
     fresh,
     {use_large_0, use_large_0},
     nothing_lost,
     NULL},
    {"objects: large ones and a new arena",
     2,
     fresh,
     {use_large_0, use_large_1},
     nothing_lost,
     NULL},
    {"objects: a large one of several arenas",
     2,
     fresh,
     {use_arenas, use_large_0},
     nothing_lost,
     NULL},
    {"objects: one scavenges, one allocates",
     2,
     fresh_with_idle_arena,
     {scavenge, use_large_0},
     nothing_lost,
     NULL},
    {"objects: one scavenges in steps, one allocates",
     2,
     fresh_with_idle_arena,
     {scavenge_steps, use_large_0},
     nothing_lost,
     NULL},
    {"objects: a transfer cache shrinks while it is used",
     2,
     fresh_with_grown_transfer_cache,
     {two_scavenge_steps, use_16_bytes},
     nothing_lost,
     NULL},
    {"objects: one grows into memory that the other frees",
     2,
     one_large,
     {grow_and_free, free_second},
     nothing_lost,
     NULL},
    {"objects: two large ones are counted",
     2,
     fresh_with_idle_arena,
     {alloc_large_0, alloc_large_1},
     two_are_counted,
     NULL},
    {"objects: statistics are read during changes",
     2,
     fresh,
     {read_stats, use_small_1},
     nothing_lost,
     NULL},
};

const struct explore_programs explore_object_programs = {programs,
                                                         sizeof programs / sizeof programs[0],
                                                         .may_race = false};
