/* SPDX-License-Identifier: MIT */
/*
 * The memory map: the regions of the firmware or boot loader, checked and sorted.
 *
 * Maps come unsorted, overlapping, touching, unaligned, with empty and absurd entries. The import
 * accepts them in any order and makes two disjoint sets of whole frames. Where regions overlap, the
 * more careful kind wins: reserved over reclaimable over usable. Frame 0 is never usable: its
 * number means "none", and an access through NULL should fault.
 *
 * Owner: quarry_init() fills it before any other CPU runs. From then on it is read only, except
 * `reclaimed`, which becomes true once.
 */
#ifndef MM_FRAMES_MEMORY_MAP_H
#define MM_FRAMES_MEMORY_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include <quarry/port.h>

#include "mm/frames/range_set.h"

struct memory_map {
    struct range_set usable;
    struct range_set reclaimable; /* disjoint from usable */
    bool reclaimed;               /* the reclaimable memory has become usable */
};

/*
 * The result does not depend on the order of the regions: they are visited in the order of their
 * bases, so regions that touch merge at once, and only true gaps take ranges. Time: the square of
 * the number of regions.
 */
void memory_map_import(struct memory_map *map, const struct quarry_memory_region *regions,
                       size_t region_count);

/* One more than the highest frame of either set; 0 for a map without memory. */
size_t memory_map_end(const struct memory_map *map);

/* Whether every frame of [first, end) is Quarry's to hand out now. */
bool memory_map_owns(const struct memory_map *map, size_t first, size_t end);

/* Whether any frame of [first, end) is Quarry's now or may become so. */
bool memory_map_may_own(const struct memory_map *map, size_t first, size_t end);

#endif
