/* SPDX-License-Identifier: MIT */
/*
 * Figures: one snapshot from many places.
 *
 * Nothing is counted on the fast path. What lives follows from what does not: a span knows how
 * many of its slots were handed out, and of those the ones in caches are not with a program.
 *
 *     live = handed out - in CPU caches - in transfer caches
 *
 * While other CPUs work each figure is a moment's truth, but not the same moment's; at rest all
 * sums agree to the byte, and quarry_verify() insists on it.
 */
#include <quarry/frame.h>
#include <quarry/quarry.h>

#include "lib/atomic.h"
#include "mm/api/heap.h"
#include "mm/debug/guard_pages.h"
#include "mm/frames/frame_api.h"
#include "mm/kinds/large.h"
#include "mm/objects/central_list.h"
#include "mm/objects/cpu_cache.h"
#include "mm/objects/quarantine.h"
#include "mm/objects/transfer_cache.h"
#include "mm/pages/page_heap.h"
#include "mm/pages/span.h"

unsigned quarry_class_count(void)
{
    return SIZE_CLASS_COUNT;
}

static size_t cached_objects(unsigned size_class)
{
    size_t cached = transfer_cache_count(size_class);
    for (unsigned cpu = 0; cpu < cpu_cache_count(); cpu++)
        cached += cpu_cache_held(cpu_cache_of(cpu), size_class) +
                  quarantine_held(cpu_cache_of(cpu), size_class);
    return cached;
}

/* Not below 0, which a moving target could yield. */
static size_t difference(size_t whole, size_t part)
{
    return whole > part ? whole - part : 0;
}

void quarry_class_stats(unsigned size_class, struct quarry_class_stats *stats)
{
    *stats = (struct quarry_class_stats){0};
    if (size_class == 0 || size_class >= SIZE_CLASS_COUNT)
        return;
    struct central_list_sums sums = central_list_sums(size_class);
    stats->object_bytes = size_classes[size_class].bytes;
    stats->spans = sums.spans;
    stats->cached_objects = cached_objects(size_class);
    stats->live_objects = difference(sums.used_slots, stats->cached_objects);
    stats->free_objects = sums.slots - sums.used_slots;
}

static void add_class(struct quarry_stats *stats, unsigned size_class)
{
    struct quarry_class_stats class;
    quarry_class_stats(size_class, &class);
    struct central_list_sums sums = central_list_sums(size_class);
    stats->spans += sums.spans;
    stats->small_live_objects += class.live_objects;
    stats->small_live_bytes += class.live_objects * class.object_bytes;
    stats->small_cached_bytes += class.cached_objects * class.object_bytes;
    stats->small_free_bytes += class.free_objects * class.object_bytes;
    stats->small_tail_bytes +=
        difference(sums.pages * FRAME_BYTES, sums.slots * class.object_bytes);
}

void quarry_stats(struct quarry_stats *stats)
{
    struct large_stats large = large_stats();
    *stats = (struct quarry_stats){
        .frames_total = quarry_frame_total_count(),
        .boot_bytes = heap.boot_bytes,
        .lost_bytes =
            (frames.map.usable.lost_frames + frames.map.reclaimable.lost_frames) * FRAME_BYTES,
        .large_live_objects = large.objects,
        .large_live_bytes = large.pages * FRAME_BYTES,
        .guarded_live_objects = guard_pages_live(),
        .spans = large.objects,
    };
    for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++)
        add_class(stats, i);
    irq_state irq = spinlock_acquire(&page_heap.lock);
    stats->arenas = page_heap.arenas;
    stats->arena_bytes = page_heap.owned_pages * FRAME_BYTES;
    stats->page_free_bytes = page_heap.free_pages * FRAME_BYTES;
    spinlock_release(&page_heap.lock, irq);
    stats->frames_free = quarry_frame_free_count();
    stats->metadata_bytes =
        difference((stats->frames_total - stats->frames_free) * FRAME_BYTES, stats->arena_bytes);
}
