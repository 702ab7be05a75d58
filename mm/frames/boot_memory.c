/* SPDX-License-Identifier: MIT */
/* The early allocator; see boot_memory.h. */
#include "mm/frames/boot_memory.h"

#include "lib/bits.h"
#include "lib/check.h"
#include "lib/memory.h"
#include "mm/frames/frame.h"

bool boot_memory_open(struct boot_memory *boot, struct memory_map *map, uintptr_t direct_map,
                      size_t bytes)
{
    size_t frames = divide_up(bytes, FRAME_BYTES);
    const struct frame_range *best = NULL;
    for (unsigned i = 0; i < map->usable.count; i++) {
        const struct frame_range *range = &map->usable.range[i];
        bool fits = range->end - range->first >= frames;
        if (fits && (best == NULL || range->end - range->first < best->end - best->first))
            best = range;
    }
    if (best == NULL)
        return false;
    /* From the range's upper end, because devices need the low addresses. */
    struct frame_range block = {best->end - frames, best->end};
    range_set_subtract(&map->usable, block);
    boot->map = map;
    boot->direct_map = direct_map;
    boot->start = direct_map + (block.first << FRAME_SHIFT);
    boot->at = boot->start;
    boot->end = direct_map + (block.end << FRAME_SHIFT);
    return true;
}

void *boot_memory_alloc(struct boot_memory *boot, size_t bytes)
{
    uintptr_t at = round_up(boot->at, BOOT_MEMORY_ALIGNMENT);
    CHECK(at <= boot->end && bytes <= boot->end - at,
          "quarry: boot memory of %zu bytes is too small for %zu more at %#zx",
          boot->end - boot->start, bytes, at);
    boot->at = at + bytes;
    return (void *)at;
}

void *boot_memory_alloc_cleared(struct boot_memory *boot, size_t bytes)
{
    void *at = boot_memory_alloc(boot, bytes);
    memory_clear(at, bytes);
    return at;
}

size_t boot_memory_close(struct boot_memory *boot)
{
    uintptr_t rest = round_up(boot->at, FRAME_BYTES);
    struct frame_range rest_frames = {(rest - boot->direct_map) >> FRAME_SHIFT,
                                      (boot->end - boot->direct_map) >> FRAME_SHIFT};
    range_set_add(&boot->map->usable, rest_frames);
    boot->end = rest;
    return rest - boot->start;
}
