/* SPDX-License-Identifier: MIT */
/* A frame allocator over memory that does not exist; see fake_frames.h. */
#include "tests/unit/fake_frames.h"

#include <quarry/quarry.h>

#include "lib/memory.h"

struct fake_frames *fake_frames_create(const struct quarry_memory_region *regions,
                                       size_t region_count, unsigned cpus)
{
    struct fake_frames *fake = quarry_alloc(sizeof *fake);
    if (fake == NULL)
        return NULL;
    memory_map_import(&fake->map, regions, region_count);
    size_t bytes = frame_allocator_boot_bytes(memory_map_end(&fake->map), cpus) + 64;
    fake->tables = quarry_aligned(FRAME_BYTES, bytes);
    if (fake->tables == NULL) {
        quarry_free(fake);
        return NULL;
    }
    quarry_port_fill(fake->tables, 0xa5, bytes);
    struct boot_memory boot = {
        .map = &fake->map,
        .start = (uintptr_t)fake->tables,
        .at = (uintptr_t)fake->tables,
        .end = (uintptr_t)fake->tables + bytes,
    };
    frame_allocator_init(&fake->allocator, &fake->map, memory_map_end(&fake->map), &boot, cpus);
    frame_allocator_open(&fake->allocator);
    return fake;
}

void fake_frames_destroy(struct fake_frames *fake)
{
    quarry_free(fake->tables);
    quarry_free(fake);
}
