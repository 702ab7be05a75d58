/* SPDX-License-Identifier: MIT */
/*
 * The whole heap compared with itself: each structure checks its own invariants, each span is
 * checked by its kind, and then the sums that must hold between them.
 */
#include <quarry/quarry.h>

#include "lib/check.h"
#include "mm/debug/harden.h"
#include "mm/debug/misuse.h"
#include "mm/frames/frame_cache.h"
#include "mm/inspect/walk.h"
#include "mm/objects/central_list.h"
#include "mm/objects/cpu_cache.h"
#include "mm/pages/object_kind.h"
#include "mm/pages/page_heap.h"

static void verify_span(void *context, struct span *span)
{
    (void)context;
    span_verify(span);
    harden_verify_span(span);
    if (object_kind_of(span)->verify != NULL)
        object_kind_of(span)->verify(span);
}

/* Each object in a magazine must be an allocated slot of the magazine's id. */
static void verify_cached_objects(const struct cpu_cache *cache, unsigned cache_id)
{
    for (size_t i = 0; i < cpu_cache_held(cache, cache_id); i++) {
        const void *object = *(*cpu_cache_top(cache, cache_id) - i);
        struct span *span = span_of_address(object);
        if (span == NULL || span->cache_id != cache_id ||
            span_slot_of(span, object) == span->slots ||
            !span_slot_used(span, span_slot_of(span, object)))
            misuse_stop("free (found in a CPU's cache)", object, span);
    }
}

static void verify_cpus(void)
{
    for (unsigned cpu = 0; cpu < cpu_cache_count(); cpu++) {
        const struct cpu_cache *cache = cpu_cache_of(cpu);
        cpu_cache_verify(cache);
        for (unsigned id = 1; id < cache_id_count(); id++)
            verify_cached_objects(cache, id);
    }
}

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

void quarry_verify(void)
{
    frames_verify();
    frame_caches_verify();
    for (unsigned node = 0; node < FRAME_NODES; node++)
        page_heap_verify(&page_heaps[node]);
    span_verify_pools();
    heap_walk(&(const struct heap_visitor){.span = verify_span});
    for (unsigned id = 1; id < cache_id_count(); id++)
        central_list_verify(id);
    verify_cpus();
    verify_sums();
}
