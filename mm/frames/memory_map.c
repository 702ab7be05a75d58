/* SPDX-License-Identifier: MIT */
/* The memory map's import; see memory_map.h. */
#include "mm/frames/memory_map.h"

#include "lib/atomic.h"
#include "lib/bits.h"
#include "mm/frames/frame.h"

/* The region's end in bytes, cut where an address would overflow. */
static uint64_t region_end(const struct quarry_memory_region *region)
{
    uint64_t room = UINT64_MAX - region->base;
    return region->base + min_u64(region->bytes, room);
}

/* The whole frames inside the region. */
static struct frame_range frames_inside(const struct quarry_memory_region *region)
{
    size_t first = divide_up(region->base, FRAME_BYTES);
    size_t end = region_end(region) >> FRAME_SHIFT;
    return (struct frame_range){max_u64(first, 1), min_u64(end, FRAMES_MAX)};
}

/* All frames that the region touches; an empty region touches none. */
static struct frame_range frames_touched(const struct quarry_memory_region *region)
{
    if (region->bytes == 0)
        return (struct frame_range){0, 0};
    return (struct frame_range){region->base >> FRAME_SHIFT,
                                divide_up(region_end(region), FRAME_BYTES)};
}

/* ---- import ---- */

/* The regions of a setup, visited in the order of their bases. They are not sorted: they belong to
 * the caller, and no memory can be allocated yet. */
struct visit {
    const struct quarry_memory_region *regions;
    size_t count;
    const struct quarry_memory_region *last; /* NULL: before the first */
};

static bool is_before(const struct quarry_memory_region *one,
                      const struct quarry_memory_region *other)
{
    return one->base < other->base || (one->base == other->base && one < other);
}

static const struct quarry_memory_region *next_region(struct visit *visit)
{
    const struct quarry_memory_region *next = NULL;
    for (size_t i = 0; i < visit->count; i++) {
        const struct quarry_memory_region *region = &visit->regions[i];
        bool visited = visit->last != NULL && !is_before(visit->last, region);
        if (!visited && (next == NULL || is_before(region, next)))
            next = region;
    }
    visit->last = next;
    return next;
}

static void add(struct memory_map *map, const struct quarry_memory_region *region)
{
    if (region->kind == QUARRY_MEMORY_USABLE)
        range_set_add(&map->usable, frames_inside(region));
    else if (region->kind == QUARRY_MEMORY_RECLAIMABLE)
        range_set_add(&map->reclaimable, frames_inside(region));
}

static void subtract(struct memory_map *map, const struct quarry_memory_region *region)
{
    if (region->kind == QUARRY_MEMORY_USABLE)
        return;
    struct frame_range touched = frames_touched(region);
    range_set_subtract(&map->usable, touched);
    if (region->kind != QUARRY_MEMORY_RECLAIMABLE)
        range_set_subtract(&map->reclaimable, touched);
}

void memory_map_import(struct memory_map *map, const struct quarry_memory_region *regions,
                       size_t region_count)
{
    range_set_init(&map->usable);
    range_set_init(&map->reclaimable);
    map->reclaimed = false;
    struct visit visit = {regions, region_count, NULL};
    const struct quarry_memory_region *region;
    while ((region = next_region(&visit)) != NULL)
        add(map, region);
    while ((region = next_region(&visit)) != NULL)
        subtract(map, region);
}

static size_t set_end(const struct range_set *set)
{
    return set->count > 0 ? set->range[set->count - 1].end : 0;
}

size_t memory_map_end(const struct memory_map *map)
{
    return max_u64(set_end(&map->usable), set_end(&map->reclaimable));
}

bool memory_map_owns(const struct memory_map *map, size_t first, size_t end)
{
    bool reclaimed = atomic_load_acquire(&map->reclaimed);
    while (first < end) {
        const struct range_set *set = &map->usable;
        if (!range_set_contains(set, first, first + 1)) {
            set = &map->reclaimable;
            if (!reclaimed || !range_set_contains(set, first, first + 1))
                return false;
        }
        first = set->range[range_set_seek(set, first)].end;
    }
    return true;
}

static bool set_meets(const struct range_set *set, size_t first, size_t end)
{
    unsigned index = range_set_seek(set, first);
    return index < set->count && set->range[index].first < end;
}

bool memory_map_may_own(const struct memory_map *map, size_t first, size_t end)
{
    return set_meets(&map->usable, first, end) || set_meets(&map->reclaimable, first, end);
}
