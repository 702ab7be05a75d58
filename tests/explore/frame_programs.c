/* SPDX-License-Identifier: MIT */
/* Frames: claims, frees, reservations, the search, the frontier. */
#include <quarry/frame.h>
#include <quarry/quarry.h>

#include "tests/explore/explore_heap.h"
#include "tests/explore/scheduler.h"

#define MIB ((size_t)1 << 20)
#define CHILD_FRAMES 512u

static uint64_t kept[64]; /* frames that the setup allocated */
static unsigned kept_count;

static uint64_t frame_alloc(unsigned order)
{
    uint64_t frame = quarry_frame_alloc(order);
    if (frame != 0)
        explore_note_alloc(frame, (size_t)1 << order);
    return frame;
}

static void frame_free(uint64_t frame, unsigned order)
{
    if (frame == 0)
        return;
    explore_note_free(frame, (size_t)1 << order);
    quarry_frame_free(frame, order);
}

static void keep_huge_frames(void)
{
    while ((kept[kept_count] = frame_alloc(QUARRY_ORDER_HUGE)) != 0)
        kept_count++;
}

static void free_kept(void)
{
    while (kept_count > 0)
        frame_free(kept[--kept_count], QUARRY_ORDER_HUGE);
    explore_expect_nothing_lost();
}

/* ---- two CPUs use one tree: one reserves it, the other recalls its frames ---- */

static void fresh_tree(void)
{
    explore_heap_fresh(6 * MIB);
    kept_count = 0;
}

static void use_two_singles(void)
{
    uint64_t one = frame_alloc(0);
    uint64_t two = frame_alloc(0);
    EXPLORE_CHECK(one != 0 && two != 0);
    frame_free(one, 0);
    frame_free(two, 0);
}

static void use_order_3(void)
{
    uint64_t frames = frame_alloc(3);
    EXPLORE_CHECK(frames != 0);
    frame_free(frames, 3);
}

static void use_single(void)
{
    uint64_t frame = frame_alloc(0);
    EXPLORE_CHECK(frame != 0);
    frame_free(frame, 0);
}

/* ---- few frames are left: an allocation succeeds if a frame is free ---- */

static uint64_t singles[1024];
static unsigned single_count;

static void leave_two_frames(void)
{
    fresh_tree();
    keep_huge_frames();
    single_count = 0;
    while ((singles[single_count] = frame_alloc(0)) != 0)
        single_count++;
    frame_free(singles[--single_count], 0);
    frame_free(singles[--single_count], 0);
}

/* The same, but CPU 0 has reserved the tree, and another CPU has freed the frames: they are in the
 * tree, not in the reservation. */
static void free_two(void)
{
    frame_free(singles[--single_count], 0);
    frame_free(singles[--single_count], 0);
}

static void leave_two_frames_of_another_cpu(void)
{
    fresh_tree();
    use_single();
    keep_huge_frames();
    single_count = 0;
    while ((singles[single_count] = frame_alloc(0)) != 0)
        single_count++;
    explore_as_cpu(2, free_two);
}

static void free_singles(void)
{
    while (single_count > 0)
        frame_free(singles[--single_count], 0);
    free_kept();
}

/* ---- claims of several words that conflict when half done ---- */

static void leave_one_child(void)
{
    fresh_tree();
    use_single(); /* now the reservation for small orders is of this tree too */
    keep_huge_frames();
    frame_free(kept[--kept_count], QUARRY_ORDER_HUGE);
}

static void try_order_8(void)
{
    uint64_t frames = frame_alloc(8);
    uint64_t more = frame_alloc(8);
    frame_free(frames, 8);
    frame_free(more, 8);
}

static void try_order_7(void)
{
    uint64_t frames = frame_alloc(7);
    frame_free(frames, 7);
}

static void try_huge(void)
{
    uint64_t frames = frame_alloc(QUARRY_ORDER_HUGE);
    frame_free(frames, QUARRY_ORDER_HUGE);
}

/* ---- a range that was allocated as a whole is freed in parts by two CPUs ---- */

static uint64_t range;

static void alloc_whole_child(void)
{
    fresh_tree();
    range = quarry_frame_alloc_range(CHILD_FRAMES, 2 * MIB, 0);
    explore_note_alloc(range, CHILD_FRAMES);
}

static void free_part(size_t first, size_t count)
{
    uint64_t part = range + first * QUARRY_FRAME_BYTES;
    explore_note_free(part, count);
    quarry_frame_free_range(part, count);
}

static void free_first_part(void)
{
    free_part(0, 300);
}

static void free_second_part(void)
{
    free_part(300, CHILD_FRAMES - 300);
}

/* ---- the search ---- */

static void search_and_free(void)
{
    uint64_t frames = quarry_frame_alloc_range(700, 0, 0);
    if (frames == 0)
        return;
    explore_note_alloc(frames, 700);
    explore_note_free(frames, 700);
    quarry_frame_free_range(frames, 700);
}

/* There are more whole children than the other CPU can break. */
static void fresh_six_children(void)
{
    explore_heap_fresh(12 * MIB);
    kept_count = 0;
}

static void search_must_find(void)
{
    uint64_t frames = quarry_frame_alloc_range(700, 0, 0);
    EXPLORE_CHECK(frames != 0);
    explore_note_alloc(frames, 700);
    explore_note_free(frames, 700);
    quarry_frame_free_range(frames, 700);
}

/* ---- more than one tree: reservations move on; trees become ready ---- */

static void leave_ends_of_two_trees(void)
{
    explore_heap_fresh(70 * MIB); /* a little more than a tree */
    kept_count = 0;
    keep_huge_frames();
    frame_free(kept[--kept_count], QUARRY_ORDER_HUGE);
    frame_free(kept[0], QUARRY_ORDER_HUGE);
    kept[0] = kept[--kept_count];
}

static void use_huge_and_single(void)
{
    uint64_t huge = frame_alloc(QUARRY_ORDER_HUGE);
    uint64_t frame = frame_alloc(0);
    frame_free(huge, QUARRY_ORDER_HUGE);
    frame_free(frame, 0);
}

static void fresh_two_trees(void)
{
    struct quarry_stats stats;
    explore_heap_fresh(70 * MIB);
    kept_count = 0;
    quarry_stats(&stats);
}

static void end_all_reservations(void)
{
    quarry_scavenge();
}

static const struct explore_program programs[] = {
    {"frames: single frames of one tree",
     2,
     fresh_tree,
     {use_two_singles, use_two_singles},
     free_kept,
     NULL},
    {"frames: single frames and order 3",
     2,
     fresh_tree,
     {use_two_singles, use_order_3},
     free_kept,
     NULL},
    {"frames: three CPUs in one tree",
     3,
     fresh_tree,
     {use_single, use_order_3, use_single},
     free_kept,
     NULL},
    {"frames: the last two frames for two CPUs",
     2,
     leave_two_frames,
     {use_single, use_single},
     free_singles,
     NULL},
    {"frames: the last two frames, freed by a third CPU",
     2,
     leave_two_frames_of_another_cpu,
     {use_single, use_single},
     free_singles,
     NULL},
    {"frames: orders 8 and 7 in one child",
     2,
     leave_one_child,
     {try_order_8, try_order_7},
     free_kept,
     NULL},
    {"frames: orders 8 and 8 in one child",
     2,
     leave_one_child,
     {try_order_8, try_order_8},
     free_kept,
     NULL},
    {"frames: a huge and a single frame in one child",
     2,
     leave_one_child,
     {try_huge, use_single},
     free_kept,
     NULL},
    {"frames: two CPUs free parts of a child",
     2,
     alloc_whole_child,
     {free_first_part, free_second_part},
     free_kept,
     NULL},
    {"frames: two CPUs free parts of a child, one allocates",
     3,
     alloc_whole_child,
     {free_first_part, free_second_part, use_single},
     free_kept,
     NULL},
    {"frames: a search and single frames",
     2,
     fresh_tree,
     {search_and_free, use_two_singles},
     free_kept,
     NULL},
    {"frames: a search finds a run while a tree is reserved",
     2,
     fresh_six_children,
     {search_must_find, use_single},
     free_kept,
     NULL},
    {"frames: two searches", 2, fresh_tree, {search_and_free, search_and_free}, free_kept, NULL},
    {"frames: reservations move between two trees",
     2,
     leave_ends_of_two_trees,
     {use_huge_and_single, use_huge_and_single},
     free_kept,
     NULL},
    {"frames: two CPUs move the frontier",
     2,
     fresh_two_trees,
     {use_huge_and_single, use_single},
     free_kept,
     NULL},
    {"frames: reservations are drained while in use",
     2,
     fresh_tree,
     {end_all_reservations, use_two_singles},
     free_kept,
     NULL},
};

const struct explore_programs explore_frame_programs = {programs,
                                                        sizeof programs / sizeof programs[0],
                                                        .may_race = false};
