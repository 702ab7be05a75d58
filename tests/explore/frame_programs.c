/* SPDX-License-Identifier: MIT */
/* Frames: claims, frees, reservations, the search, the frontier. */
#include <quarry/frame.h>
#include <quarry/quarry.h>

#include "tests/explore/explore_heap.h"
#include "tests/explore/scheduler.h"

#define MIB ((size_t)1 << 20)
#define CHILD_FRAMES 512u

static uint64_t kept[64]; /* what a setup took */
static unsigned kept_count;

static uint64_t take(unsigned order)
{
    uint64_t frame = quarry_frame_alloc(order);
    if (frame != 0)
        explore_frames_taken(frame, (size_t)1 << order);
    return frame;
}

static void give(uint64_t frame, unsigned order)
{
    if (frame == 0)
        return;
    explore_frames_given(frame, (size_t)1 << order);
    quarry_frame_free(frame, order);
}

static void keep_huge_frames(void)
{
    while ((kept[kept_count] = take(QUARRY_ORDER_HUGE)) != 0)
        kept_count++;
}

static void give_kept(void)
{
    while (kept_count > 0)
        give(kept[--kept_count], QUARRY_ORDER_HUGE);
    explore_expect_nothing_lost();
}

/* ---- one tree, wanted by both: it is reserved by one, and recalled by the other ---- */

static void fresh_tree(void)
{
    explore_heap_fresh(6 * MIB);
    kept_count = 0;
}

static void take_two_singles(void)
{
    uint64_t one = take(0);
    uint64_t two = take(0);
    EXPLORE_CHECK(one != 0 && two != 0);
    give(one, 0);
    give(two, 0);
}

static void take_order_3(void)
{
    uint64_t frames = take(3);
    EXPLORE_CHECK(frames != 0);
    give(frames, 3);
}

static void take_single(void)
{
    uint64_t frame = take(0);
    EXPLORE_CHECK(frame != 0);
    give(frame, 0);
}

/* ---- little left: whoever is promised a frame gets it ---- */

static uint64_t singles[1024];
static unsigned single_count;

static void leave_two_frames(void)
{
    fresh_tree();
    keep_huge_frames();
    single_count = 0;
    while ((singles[single_count] = take(0)) != 0)
        single_count++;
    give(singles[--single_count], 0);
    give(singles[--single_count], 0);
}

static void give_singles(void)
{
    while (single_count > 0)
        give(singles[--single_count], 0);
    give_kept();
}

/* ---- claims of several words, half done when they meet ---- */

static void leave_one_child(void)
{
    fresh_tree();
    take_single(); /* the reservation for small orders is of this tree, too */
    keep_huge_frames();
    give(kept[--kept_count], QUARRY_ORDER_HUGE);
}

static void try_order_8(void)
{
    uint64_t frames = take(8);
    uint64_t more = take(8);
    give(frames, 8);
    give(more, 8);
}

static void try_order_7(void)
{
    uint64_t frames = take(7);
    give(frames, 7);
}

static void try_huge(void)
{
    uint64_t frames = take(QUARRY_ORDER_HUGE);
    give(frames, QUARRY_ORDER_HUGE);
}

/* ---- a range that was claimed whole comes back in parts, from two CPUs ---- */

static uint64_t range;

static void take_whole_child(void)
{
    fresh_tree();
    range = quarry_frame_alloc_range(CHILD_FRAMES, 2 * MIB, 0);
    explore_frames_taken(range, CHILD_FRAMES);
}

static void give_part(size_t first, size_t count)
{
    uint64_t part = range + first * QUARRY_FRAME_BYTES;
    explore_frames_given(part, count);
    quarry_frame_free_range(part, count);
}

static void give_first_part(void)
{
    give_part(0, 300);
}

static void give_second_part(void)
{
    give_part(300, CHILD_FRAMES - 300);
}

/* ---- the search ---- */

static void search_and_give(void)
{
    uint64_t frames = quarry_frame_alloc_range(700, 0, 0);
    if (frames == 0)
        return;
    explore_frames_taken(frames, 700);
    explore_frames_given(frames, 700);
    quarry_frame_free_range(frames, 700);
}

/* ---- more than one tree: reservations move on; trees become ready ---- */

static void leave_ends_of_two_trees(void)
{
    explore_heap_fresh(70 * MIB); /* a tree and a bit */
    kept_count = 0;
    keep_huge_frames();
    give(kept[--kept_count], QUARRY_ORDER_HUGE);
    give(kept[0], QUARRY_ORDER_HUGE);
    kept[0] = kept[--kept_count];
}

static void take_huge_and_single(void)
{
    uint64_t huge = take(QUARRY_ORDER_HUGE);
    uint64_t frame = take(0);
    give(huge, QUARRY_ORDER_HUGE);
    give(frame, 0);
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
    {"frames: singles of one tree",
     2,
     fresh_tree,
     {take_two_singles, take_two_singles},
     give_kept,
     NULL},
    {"frames: a single and order 3",
     2,
     fresh_tree,
     {take_two_singles, take_order_3},
     give_kept,
     NULL},
    {"frames: three CPUs in one tree",
     3,
     fresh_tree,
     {take_single, take_order_3, take_single},
     give_kept,
     NULL},
    {"frames: the last two are there for two",
     2,
     leave_two_frames,
     {take_single, take_single},
     give_singles,
     NULL},
    {"frames: orders 8 and 7 in one child",
     2,
     leave_one_child,
     {try_order_8, try_order_7},
     give_kept,
     NULL},
    {"frames: orders 8 and 8 in one child",
     2,
     leave_one_child,
     {try_order_8, try_order_8},
     give_kept,
     NULL},
    {"frames: a huge one and a single in one child",
     2,
     leave_one_child,
     {try_huge, take_single},
     give_kept,
     NULL},
    {"frames: a whole child freed in parts by two",
     2,
     take_whole_child,
     {give_first_part, give_second_part},
     give_kept,
     NULL},
    {"frames: a child freed in parts while one is taken",
     3,
     take_whole_child,
     {give_first_part, give_second_part, take_single},
     give_kept,
     NULL},
    {"frames: search against a single",
     2,
     fresh_tree,
     {search_and_give, take_two_singles},
     give_kept,
     NULL},
    {"frames: search against search",
     2,
     fresh_tree,
     {search_and_give, search_and_give},
     give_kept,
     NULL},
    {"frames: reservations of two trees change",
     2,
     leave_ends_of_two_trees,
     {take_huge_and_single, take_huge_and_single},
     give_kept,
     NULL},
    {"frames: the frontier moves for two",
     2,
     fresh_two_trees,
     {take_huge_and_single, take_single},
     give_kept,
     NULL},
    {"frames: reservations end while used",
     2,
     fresh_tree,
     {end_all_reservations, take_two_singles},
     give_kept,
     NULL},
};

const struct explore_programs explore_frame_programs = {programs,
                                                        sizeof programs / sizeof programs[0]};
