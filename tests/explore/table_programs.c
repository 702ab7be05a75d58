/* SPDX-License-Identifier: MIT */
/* Tables that are read without a lock: the page map, arenas, the frontier, statistics. */
#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry/stats.h>

#include "tests/explore/explore_heap.h"
#include "tests/explore/scheduler.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static void *objects[4];

static void fresh(void)
{
    explore_heap_fresh(10 * MIB);
}

static void nothing_lost(void)
{
    explore_expect_nothing_lost();
}

/* ---- the page map's bound rises: it is at 128 MiB at first ---- */

#define FIRST_BOUND_BYTES (128 * MIB)

static void fresh_around_bound(void)
{
    explore_heap_fresh_as(
        &(struct explore_heap){.base = FIRST_BOUND_BYTES - 4 * MIB, .bytes = 10 * MIB});
}

static void use_all_blocks(void)
{
    unsigned count = 0;
    for (; count < 4; count++)
        if ((objects[count] = quarry_aligned(2 * MIB, 1100 * KIB)) == NULL)
            break;
    EXPLORE_CHECK(count > 2);
    while (count > 0)
        quarry_free(objects[--count]);
    quarry_scavenge();
}

/* No small object is ever there. */
static void read_memory_use(void)
{
    for (uint64_t at = FIRST_BOUND_BYTES - 2 * MIB; at < FIRST_BOUND_BYTES + 6 * MIB; at += 2 * MIB)
        EXPLORE_CHECK(quarry_memory_use(at).small_frames == 0);
}

/* ---- an object of a whole block, whose arena gets a table when the object shrinks ---- */

static void alloc_block(void)
{
    objects[0] = quarry_aligned(2 * MIB, 2 * MIB);
}

static void one_block(void)
{
    fresh();
    explore_as_cpu(0, alloc_block);
}

static void shrink_and_free(void)
{
    objects[0] = quarry_realloc(objects[0], 1100 * KIB);
    explore_fill(objects[0], 1100 * KIB, 1);
    quarry_free(objects[0]);
}

static void use_behind(void)
{
    void *object = quarry_alloc(600 * KIB);
    EXPLORE_CHECK(object != NULL);
    explore_fill(object, 600 * KIB, 2);
    EXPLORE_CHECK(quarry_usable_size(object) >= 600 * KIB);
    explore_expect_filled(object, 600 * KIB, 2);
    quarry_free(object);
}

/* The arena has a large object; further spans come into it while that one is freed. */
static void alloc_first(void)
{
    objects[0] = quarry_alloc(600 * KIB);
}

static void one_in_arena(void)
{
    fresh();
    explore_as_cpu(0, alloc_first);
}

static void free_first(void)
{
    EXPLORE_CHECK(quarry_usable_size(objects[0]) >= 600 * KIB);
    quarry_free(objects[0]);
}

/* ---- an address without an object is freed while its block becomes an arena ---- */

static unsigned char *block;

static void find_block(void)
{
    block = quarry_alloc(600 * KIB);
    block -= (uintptr_t)block % (2 * MIB);
}

static void free_found(void)
{
    quarry_free(block);
    quarry_scavenge();
}

static void know_next_block(void)
{
    fresh();
    explore_as_cpu(0, find_block);
    explore_as_cpu(0, free_found);
}

static void free_end_of_block(void)
{
    quarry_free(block + 1800 * KIB);
}

/* ---- memory becomes usable later ---- */

#define LATE_BYTES (2 * MIB)

static void fresh_with_late_memory(void)
{
    explore_heap_fresh_as(&(
        struct explore_heap){.base = 64 * MIB, .bytes = 6 * MIB, .reclaimable_bytes = LATE_BYTES});
}

static void reclaim_late_memory(void)
{
    EXPLORE_CHECK(quarry_frame_reclaim_boot_memory() == LATE_BYTES / QUARRY_FRAME_BYTES);
}

static void use_frames(void)
{
    uint64_t huge = quarry_frame_alloc(QUARRY_ORDER_HUGE);
    uint64_t single = quarry_frame_alloc(0);
    EXPLORE_CHECK(single != 0 && quarry_frame_free_count() <= quarry_frame_total_count());
    if (huge != 0)
        quarry_frame_free(huge, QUARRY_ORDER_HUGE);
    quarry_frame_free(single, 0);
}

static void late_memory_is_there(void)
{
    explore_expect_more(LATE_BYTES / QUARRY_FRAME_BYTES);
    explore_expect_nothing_lost();
}

static const struct explore_program programs[] = {
    {"tables: the page map's bound rises while it is read",
     2,
     fresh_around_bound,
     {use_all_blocks, read_memory_use},
     nothing_lost,
     NULL},
    {"tables: an arena gets a table while another CPU allocates",
     2,
     one_block,
     {shrink_and_free, use_behind},
     nothing_lost,
     NULL},
    {"tables: an object is freed while its arena gets another",
     2,
     one_in_arena,
     {use_behind, free_first},
     nothing_lost,
     NULL},
    {"tables: an invalid address is freed while its block becomes an arena",
     2,
     know_next_block,
     {alloc_first, free_end_of_block},
     NULL,
     "bad free"},
    {"tables: memory is reclaimed while frames are used",
     2,
     fresh_with_late_memory,
     {reclaim_late_memory, use_frames},
     late_memory_is_there,
     NULL},
};

const struct explore_programs explore_table_programs = {programs,
                                                        sizeof programs / sizeof programs[0],
                                                        .may_race = false};
