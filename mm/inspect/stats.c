/* SPDX-License-Identifier: MIT */
/*
 * Statistics: one snapshot from many places.
 *
 * Nothing is counted on the fast path. The live objects follow from the others: a span knows how
 * many of its slots are allocated, and some of those are in caches.
 *
 *     live = allocated slots - objects in CPU caches - objects in transfer caches
 *
 * While other CPUs work, the figures are estimates. The parts are read one after the other, and the
 * magazines of another CPU without a lock: the number of cached objects is wrong if that CPU goes
 * offline meanwhile. At rest all sums agree to the byte, and quarry_verify() checks that.
 */
#include <quarry/frame.h>
#include <quarry/quarry.h>

#include "lib/atomic.h"
#include "mm/api/init.h"
#include "mm/debug/sampler.h"
#include "mm/frames/frames.h"
#include "mm/kinds/large.h"
#include "mm/objects/central_list.h"
#include "mm/objects/cpu_cache.h"
#include "mm/objects/transfer_cache.h"
#include "mm/pages/page_heap.h"

unsigned quarry_class_count(void)
{
    return SIZE_CLASS_COUNT;
}

static size_t cached_objects(unsigned cache_id)
{
    size_t cached = transfer_cache_count(cache_id);
    for (unsigned cpu = 0; cpu < cpu_cache_count(); cpu++)
        cached += cpu_cache_held_about(cpu_cache_of(cpu), cache_id) +
                  quarantine_held(&cpu_cache_of(cpu)->quarantine, cache_id);
    return cached;
}

/* Not below 0, although the parts may change while they are read. */
static size_t difference(size_t whole, size_t part)
{
    return whole > part ? whole - part : 0;
}

static struct quarry_class_stats cache_stats(unsigned cache_id,
                                             const struct central_list_sums *sums)
{
    size_t cached = cached_objects(cache_id);
    return (struct quarry_class_stats){
        .object_bytes = cache_shapes[cache_id].object_bytes,
        .spans = sums->spans,
        .cached_objects = cached,
        .live_objects = difference(sums->used_slots, cached),
        .free_objects = sums->slots - sums->used_slots,
    };
}

void quarry_class_stats(unsigned size_class, struct quarry_class_stats *stats)
{
    *stats = (struct quarry_class_stats){0};
    if (size_class == 0 || size_class >= SIZE_CLASS_COUNT)
        return;
    struct central_list_sums sums = central_list_sums(size_class);
    *stats = cache_stats(size_class, &sums);
}

static void add_cache(struct quarry_stats *stats, unsigned cache_id)
{
    struct central_list_sums sums = central_list_sums(cache_id);
    struct quarry_class_stats cache = cache_stats(cache_id, &sums);
    stats->spans += sums.spans;
    stats->small_live_objects += cache.live_objects;
    stats->small_live_bytes += cache.live_objects * cache.object_bytes;
    stats->small_cached_bytes += cache.cached_objects * cache.object_bytes;
    stats->small_free_bytes += cache.free_objects * cache.object_bytes;
    stats->small_tail_bytes +=
        difference(sums.pages * FRAME_BYTES, sums.slots * cache.object_bytes);
}

static void add_page_heap(struct quarry_stats *stats, struct page_heap *heap)
{
    irq_state irq = spinlock_acquire(&heap->lock);
    stats->arenas += heap->arenas;
    stats->arena_bytes += heap->owned_pages * FRAME_BYTES;
    stats->page_free_bytes += heap->free_pages * FRAME_BYTES;
    spinlock_release(&heap->lock, irq);
}

void quarry_stats(struct quarry_stats *stats)
{
    struct large_stats large = large_stats();
    *stats = (struct quarry_stats){
        .frames_total = quarry_frame_total_count(),
        .boot_bytes = heap_boot_bytes,
        .lost_bytes = frames_lost_bytes(),
        .large_live_objects = large.objects,
        .large_live_bytes = large.pages * FRAME_BYTES,
        .guarded_live_objects = atomic_load_relaxed(&sampler.live),
        .spans = large.objects,
    };
    for (unsigned id = 1; id < cache_id_count(); id++)
        add_cache(stats, id);
    for (unsigned node = 0; node < FRAME_NODES; node++)
        add_page_heap(stats, &page_heaps[node]);
    stats->frames_free = quarry_frame_free_count();
    stats->metadata_bytes =
        difference((stats->frames_total - stats->frames_free) * FRAME_BYTES, stats->arena_bytes);
}
