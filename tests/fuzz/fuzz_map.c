/* SPDX-License-Identifier: MIT */
/*
 * The import of memory maps against a model, which has a kind for each of the first frames by the
 * rule in port.h. The maps also contain extreme regions.
 */
#include <quarry/quarry.h>

#include "mm/frames/frame.h"
#include "mm/frames/memory_map.h"
#include "tests/framework/test.h"
#include "tests/fuzz/fuzz.h"

#define FRAMES 96u
#define REGIONS 24u

static struct quarry_memory_region choose_region(struct choices *choices)
{
    struct quarry_memory_region region = {
        .base = choose(choices, FRAMES) * FRAME_BYTES,
        .bytes = choose(choices, 20) * FRAME_BYTES,
        .kind = (uint32_t)choose(choices, 5),
    };
    switch (choose(choices, 6)) {
    case 0: /* unaligned */
        region.base += choose(choices, 4096);
        region.bytes += choose(choices, 4096);
        break;
    case 1: /* to the end of the address space, or beyond */
        region.bytes = UINT64_MAX - choose(choices, 9000);
        break;
    case 2: /* far away */
        region.base = UINT64_MAX - choose(choices, 60000);
        break;
    default:
        break;
    }
    return region;
}

/* Whether the region holds all of the frame, or any of it. */
static bool holds(const struct quarry_memory_region *region, size_t frame, bool all)
{
    uint64_t first = frame * FRAME_BYTES;
    uint64_t last = first + FRAME_BYTES - 1;
    if (region->bytes == 0)
        return false;
    uint64_t room = UINT64_MAX - region->base;
    uint64_t end = region->bytes - 1 < room ? region->base + (region->bytes - 1) : UINT64_MAX;
    return all ? region->base <= first && last <= end : region->base <= last && first <= end;
}

static bool any_holds(const struct quarry_memory_region *regions, size_t count, size_t frame,
                      uint32_t kind, bool all)
{
    for (size_t i = 0; i < count; i++)
        if (regions[i].kind == kind && holds(&regions[i], frame, all))
            return true;
    return false;
}

/* A frame is usable or reclaimable only if one region contains all of it. Two adjacent regions that
 * share a frame do not count: the import need not join them. */
static uint32_t kind_of(const struct quarry_memory_region *regions, size_t count, size_t frame)
{
    bool reserved = frame == 0;
    for (size_t i = 0; i < count; i++)
        if (regions[i].kind != QUARRY_MEMORY_USABLE && regions[i].kind != QUARRY_MEMORY_RECLAIMABLE)
            reserved = reserved || holds(&regions[i], frame, false);
    if (reserved)
        return QUARRY_MEMORY_RESERVED;
    if (any_holds(regions, count, frame, QUARRY_MEMORY_RECLAIMABLE, true))
        return QUARRY_MEMORY_RECLAIMABLE;
    /* A frame that a reclaimable region overlaps is not usable. */
    if (any_holds(regions, count, frame, QUARRY_MEMORY_RECLAIMABLE, false))
        return QUARRY_MEMORY_RESERVED;
    if (any_holds(regions, count, frame, QUARRY_MEMORY_USABLE, true))
        return QUARRY_MEMORY_USABLE;
    return QUARRY_MEMORY_RESERVED;
}

void fuzz_map(const uint8_t *bytes, size_t count)
{
    static struct memory_map map;
    static struct quarry_memory_region regions[REGIONS];
    struct choices choices = {bytes, bytes + count};
    size_t regions_used = 0;
    while (choices_left(&choices) && regions_used < REGIONS) {
        const struct quarry_memory_region *region = &regions[regions_used];
        regions[regions_used++] = choose_region(&choices);
        FUZZ_TRACE("{%#lx, %#lx, %u},", (unsigned long)region->base, (unsigned long)region->bytes,
                   region->kind);
    }
    memory_map_import(&map, regions, regions_used);
    for (size_t frame = 0; frame < FRAMES + 24; frame++) {
        uint32_t kind = kind_of(regions, regions_used, frame);
        EXPECT(range_set_contains(&map.usable, frame, frame + 1) == (kind == QUARRY_MEMORY_USABLE));
        EXPECT(range_set_contains(&map.reclaimable, frame, frame + 1) ==
               (kind == QUARRY_MEMORY_RECLAIMABLE));
    }
    EXPECT(map.usable.lost_frames == 0 && map.reclaimable.lost_frames == 0);
    EXPECT(memory_map_end(&map) <= FRAMES_MAX);
}
