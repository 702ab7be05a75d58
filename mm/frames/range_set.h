/* SPDX-License-Identifier: MIT */
/*
 * A set of frame numbers, as sorted ranges that neither overlap nor touch.
 *
 * Its capacity is fixed, because it exists before any memory can be allocated. If a change needs
 * more ranges than fit, the smallest range is dropped and counted: memory may stay unused, but is
 * never used twice.
 */
#ifndef MM_FRAMES_RANGE_SET_H
#define MM_FRAMES_RANGE_SET_H

#include <stdbool.h>
#include <stddef.h>

#include <quarry/config.h>

/* [first, end) */
struct frame_range {
    size_t first;
    size_t end;
};

/*
 * Invariant: for all i < count: range[i].first < range[i].end, and range[i].end < range[i +
 * 1].first where there is an i + 1.
 */
struct range_set {
    unsigned count;
    size_t lost_frames;
    struct frame_range range[QUARRY_MAP_RANGES_MAX];
};

void range_set_init(struct range_set *set);

/* An empty range changes nothing. */
void range_set_add(struct range_set *set, struct frame_range added);
void range_set_subtract(struct range_set *set, struct frame_range removed);

/* The index of the first range that ends behind `frame`: it holds the frame or the next one. */
unsigned range_set_seek(const struct range_set *set, size_t frame);

/* Whether all of [first, end) is in the set. */
bool range_set_contains(const struct range_set *set, size_t first, size_t end);

size_t range_set_count_frames(const struct range_set *set);

#endif
