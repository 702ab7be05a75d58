/* SPDX-License-Identifier: MIT */
/* Programs that race: two CPUs free the same object, and statistics. In the first ones each
 * execution stops, and nothing else is freed. */
#include <quarry/quarry.h>

#include "tests/explore/explore_heap.h"
#include "tests/explore/scheduler.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static void *objects[3];

static void free_first(void)
{
    quarry_free(objects[0]);
}

static void free_first_and_scavenge(void)
{
    quarry_free(objects[0]);
    quarry_scavenge();
}

/* The second object keeps the span or the arena in use. */
static void alloc_large(void)
{
    objects[0] = quarry_alloc(1100 * KIB);
    objects[1] = quarry_alloc(1100 * KIB);
}

static void alloc_small(void)
{
    objects[0] = quarry_alloc(200);
    objects[1] = quarry_alloc(200);
}

static void one_large(void)
{
    explore_heap_fresh(10 * MIB);
    explore_as_cpu(0, alloc_large);
}

static void one_small(void)
{
    explore_heap_fresh(10 * MIB);
    explore_as_cpu(0, alloc_small);
}

/* ---- a large object's descriptor is used again between the two frees ---- */

/* objects[0] is at no multiple of 2 MiB. */
static void alloc_large_behind_another(void)
{
    objects[1] = quarry_aligned(8 * KIB, 64 * KIB);
    objects[0] = quarry_alloc(1100 * KIB);
    EXPLORE_CHECK((uintptr_t)objects[0] % (2 * MIB) != 0);
}

static void large_behind_another(void)
{
    explore_heap_fresh(10 * MIB);
    explore_as_cpu(0, alloc_large_behind_another);
}

/* Never at the place of objects[0]. */
static void alloc_aligned_large(void)
{
    objects[2] = quarry_aligned(2 * MIB, 1100 * KIB);
}

static void free_first_and_alloc_aligned_large(void)
{
    free_first();
    alloc_aligned_large();
}

/* ---- statistics, which read the caches of other CPUs without a lock ---- */

static void cpus_online(void)
{
    explore_heap_fresh(8 * MIB);
    explore_cpus_online();
}

static void read_stats(void)
{
    struct quarry_class_stats stats;
    quarry_class_stats(2, &stats);
    EXPLORE_CHECK(stats.cached_objects <= 8 * MIB / 16);
}

static void use_object_and_go_offline(void)
{
    quarry_free(quarry_alloc(16));
    quarry_cpu_offline();
}

static void nothing_lost(void)
{
    explore_expect_nothing_lost();
}

static const struct explore_program programs[] = {
    {"races: statistics are read while a CPU goes offline",
     2,
     cpus_online,
     {read_stats, use_object_and_go_offline},
     nothing_lost,
     NULL},
    {"misuse: two free the same large one",
     2,
     one_large,
     {free_first, free_first},
     NULL,
     "bad free"},
    {"misuse: two free the same large one, a third allocates",
     3,
     large_behind_another,
     {free_first, free_first, alloc_aligned_large},
     NULL,
     "bad free"},
    {"misuse: two free the same large one, one of them allocates",
     2,
     large_behind_another,
     {free_first_and_alloc_aligned_large, free_first},
     NULL,
     "bad free"},
    {"misuse: two free the same small one",
     2,
     one_small,
     {free_first_and_scavenge, free_first_and_scavenge},
     NULL,
     "double free"},
};

const struct explore_programs explore_misuse_programs = {programs,
                                                         sizeof programs / sizeof programs[0],
                                                         .may_race = true};
