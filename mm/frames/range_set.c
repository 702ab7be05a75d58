/* SPDX-License-Identifier: MIT */
/* Sorted ranges of frames; see range_set.h. */
#include "mm/frames/range_set.h"

void range_set_init(struct range_set *set)
{
    set->count = 0;
    set->lost_frames = 0;
}

unsigned range_set_seek(const struct range_set *set, size_t frame)
{
    unsigned low = 0;
    unsigned high = set->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (set->range[middle].end > frame)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static size_t range_frames(const struct frame_range *range)
{
    return range->end - range->first;
}

static void remove_at(struct range_set *set, unsigned index)
{
    for (unsigned i = index; i + 1 < set->count; i++)
        set->range[i] = set->range[i + 1];
    set->count--;
}

/* Drops the smallest range. False: `wanted` is no larger than that one, and is dropped instead. */
static bool drop_smallest(struct range_set *set, size_t wanted)
{
    unsigned smallest = 0;
    for (unsigned i = 1; i < set->count; i++)
        if (range_frames(&set->range[i]) < range_frames(&set->range[smallest]))
            smallest = i;
    size_t loss = range_frames(&set->range[smallest]);
    if (wanted <= loss) {
        set->lost_frames += wanted;
        return false;
    }
    set->lost_frames += loss;
    remove_at(set, smallest);
    return true;
}

/* `added` neither overlaps nor touches a range of the set. */
static void insert(struct range_set *set, struct frame_range added)
{
    if (set->count == QUARRY_MAP_RANGES_MAX && !drop_smallest(set, added.end - added.first))
        return;
    unsigned index = range_set_seek(set, added.first);
    for (unsigned i = set->count; i > index; i--)
        set->range[i] = set->range[i - 1];
    set->range[index] = added;
    set->count++;
}

void range_set_add(struct range_set *set, struct frame_range added)
{
    if (added.first >= added.end)
        return;
    /* Merge all ranges that overlap or touch. A range that ends at `first` touches. */
    unsigned index = range_set_seek(set, added.first > 0 ? added.first - 1 : 0);
    while (index < set->count && set->range[index].first <= added.end) {
        if (set->range[index].first < added.first)
            added.first = set->range[index].first;
        if (set->range[index].end > added.end)
            added.end = set->range[index].end;
        remove_at(set, index);
    }
    insert(set, added);
}

void range_set_subtract(struct range_set *set, struct frame_range removed)
{
    if (removed.first >= removed.end)
        return;
    unsigned index = range_set_seek(set, removed.first);
    while (index < set->count && set->range[index].first < removed.end) {
        struct frame_range old = set->range[index];
        remove_at(set, index);
        struct frame_range below = {old.first, removed.first};
        struct frame_range above = {removed.end, old.end};
        if (below.first < below.end)
            insert(set, below);
        if (above.first < above.end) {
            insert(set, above);
            break; /* the set is sorted: no further range begins below removed.end */
        }
        index = range_set_seek(set, removed.first);
    }
}

bool range_set_contains(const struct range_set *set, size_t first, size_t end)
{
    if (first >= end)
        return true;
    unsigned index = range_set_seek(set, first);
    return index < set->count && set->range[index].first <= first && set->range[index].end >= end;
}

size_t range_set_count_frames(const struct range_set *set)
{
    size_t frames = 0;
    for (unsigned i = 0; i < set->count; i++)
        frames += range_frames(&set->range[i]);
    return frames;
}
