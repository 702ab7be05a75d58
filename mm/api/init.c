/* SPDX-License-Identifier: MIT */
/*
 * quarry_init(): from a memory map to a heap.
 *
 * It imports the memory map and takes one block out of it for all of Quarry's tables, whose sizes
 * follow from the highest address and the number of CPUs. Each part builds its tables there; the
 * rest of the block goes back to the map, and the frame allocator is opened over what the map has.
 * Only the small parts of the tables are written: the large ones are built when they are first
 * used.
 */
#include "mm/api/init.h"

#include <quarry/frame.h>
#include <quarry/quarry.h>

#include "lib/check.h"
#include "lib/spinlock.h"
#include "mm/debug/harden.h"
#include "mm/debug/sampler.h"
#include "mm/frames/frame_cache.h"
#include "mm/frames/frames.h"
#include "mm/kinds/foreign.h"
#include "mm/kinds/large.h"
#include "mm/kinds/small.h"
#include "mm/objects/cache_create.h"
#include "mm/objects/central_list.h"
#include "mm/objects/cpu_cache.h"
#include "mm/objects/transfer_cache.h"
#include "mm/pages/page_heap.h"
#include "mm/reclaim/reclaim.h"
#include "mm/reclaim/remote_drain.h"
#include "mm/reclaim/scavenger.h"

#define DIRECT_MAP_ALIGNMENT ((uintptr_t)1 << 30)

size_t heap_boot_bytes;

static bool is_sane(const struct quarry_setup *setup)
{
    return setup->cpus >= 1 && setup->cpus <= QUARRY_CPUS_MAX &&
           setup->direct_map % DIRECT_MAP_ALIGNMENT == 0 &&
           (setup->regions != NULL || setup->region_count == 0);
}

static size_t boot_bytes_bound(size_t end_frame, unsigned cpus)
{
    return frames_boot_bytes(end_frame, cpus) + frame_caches_boot_bytes(cpus) +
           page_map_boot_bytes(end_frame) + page_heaps_boot_bytes() + transfer_caches_boot_bytes() +
           cpu_caches_boot_bytes(cpus);
}

static void init_pages(struct boot_memory *boot, const struct quarry_setup *setup, size_t end_frame)
{
    page_map_init(boot, setup->direct_map, end_frame);
    page_heaps_init(boot);
    span_init();
}

static void init_kinds(const struct quarry_setup *setup)
{
    object_kinds_init(&foreign_kind);
    small_init();
    large_init();
    harden_init(setup->seed);
    sampler_init(setup);
}

static void init_objects(struct boot_memory *boot, const struct quarry_setup *setup)
{
    central_lists_init(setup->seed);
    transfer_caches_init(boot);
    cpu_caches_init(boot, setup->cpus);
    cache_create_init();
}

static void init_reclaim(const struct quarry_setup *setup)
{
    remote_drain_init(setup->interrupt_cpu);
    scavenger_init();
    reclaim_init();
}

static void build(struct boot_memory *boot, const struct quarry_setup *setup, size_t end_frame)
{
    frames_init(boot, end_frame, setup->cpus);
    frame_caches_init(boot, setup->cpus);
    init_pages(boot, setup, end_frame);
    init_kinds(setup);
    init_objects(boot, setup);
    init_reclaim(setup);
    cpus_init();
}

static void open(void)
{
    frames_open();
    size_t memory_bytes = quarry_frame_total_count() << FRAME_SHIFT;
    cpu_caches_set_budget(memory_bytes);
    transfer_caches_set_budget(memory_bytes);
}

enum quarry_status quarry_init(const struct quarry_setup *setup)
{
    if (!is_sane(setup))
        return QUARRY_BAD_SETUP;
    stop_forget();
    spinlock_rank_forget();
    cache_ids_init();
    size_t end_frame = frames_import(setup);
    struct boot_memory boot;
    if (!frames_open_boot_memory(&boot, boot_bytes_bound(end_frame, setup->cpus)))
        return QUARRY_NO_MEMORY;
    build(&boot, setup, end_frame);
    heap_boot_bytes = boot_memory_close(&boot);
    open();
    return QUARRY_OK;
}
