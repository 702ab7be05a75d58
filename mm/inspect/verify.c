/* SPDX-License-Identifier: MIT */
/*
 * The whole heap against itself: each structure checks its own invariants, and then the sums that
 * must hold between them. It stands above all parts of mm/, for it looks into each.
 */
#include "lib/check.h"
#include "mm/api/heap.h"
#include "mm/debug/misuse.h"
#include "mm/frames/frame_api.h"
#include "mm/frames/frame_cache.h"
#include "mm/objects/central_list.h"
#include "mm/objects/cpu_cache.h"
#include "mm/pages/page_heap.h"
#include "mm/pages/span.h"

static void verify_sums(void)
{
    struct quarry_stats stats;
    quarry_stats(&stats);
    size_t parts = stats.small_live_bytes + stats.small_cached_bytes + stats.small_free_bytes +
                   stats.small_tail_bytes + stats.large_live_bytes + stats.page_free_bytes;
    CHECK(parts == stats.arena_bytes,
          "quarry: arenas have %zu bytes but small objects %zu live, %zu cached, %zu free, "
          "%zu tail, large ones %zu, free pages %zu",
          stats.arena_bytes, stats.small_live_bytes, stats.small_cached_bytes,
          stats.small_free_bytes, stats.small_tail_bytes, stats.large_live_bytes,
          stats.page_free_bytes);
    CHECK(stats.frames_free <= stats.frames_total, "quarry: %zu frames are free of %zu",
          stats.frames_free, stats.frames_total);
}

/* Every object in a CPU's stack must be a slot of that class, handed out. */
static void verify_cached_objects(const struct cpu_cache *cache, unsigned size_class)
{
    for (size_t i = 0; i < cpu_cache_held(cache, size_class); i++) {
        const void *object = *(cache->block->top[size_class] - i);
        const struct span *span = span_of_address(object);
        if (span == NULL || span->size_class != size_class ||
            span_slot_of(span, object) == span->slots ||
            !span_slot_used(span, span_slot_of(span, object)))
            misuse_stop("free (found in a CPU's cache)", object);
    }
}

void quarry_verify(void)
{
    frame_allocator_verify(&frames.allocator);
    frame_caches_verify();
    page_heap_verify();
    span_verify_pools();
    for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++)
        central_list_verify(i);
    for (unsigned cpu = 0; cpu < cpu_cache_count(); cpu++) {
        const struct cpu_cache *cache = cpu_cache_of(cpu);
        cpu_cache_verify(cache);
        for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++)
            verify_cached_objects(cache, i);
    }
    verify_sums();
}
