/* SPDX-License-Identifier: MIT */
/* The ordered list of ways to free memory; see reclaim.h. */
#include "mm/reclaim/reclaim.h"

#include <stdbool.h>

#include "mm/objects/central_list.h"
#include "mm/objects/cpu_cache.h"
#include "mm/objects/transfer_cache.h"
#include "mm/pages/page_heap.h"
#include "mm/pages/span.h"
#include "mm/reclaim/remote_drain.h"

/* ---- the steps; each returns the number of frames that it freed ---- */

/* Waits for the other CPUs to drain their caches. This CPU's cache is drained meanwhile. */
static size_t drain_other_cpus(size_t run)
{
    (void)run;
    remote_drain();
    return 0;
}

/* Magazines and quarantine of this CPU, to the central lists; single frames to their allocator. */
static size_t drain_own_cache(size_t run)
{
    (void)run;
    return cpu_cache_drain_own();
}

/* Shared caches to the central lists, and empty spans to the page heap. */
static size_t drain_shared_caches(size_t run)
{
    (void)run;
    for (unsigned id = 1; id < cache_id_count(); id++) {
        transfer_cache_drain(id);
        central_list_drain(id);
    }
    return 0;
}

static size_t release_idle_arenas(size_t run)
{
    (void)run;
    size_t released = 0;
    for (unsigned node = 0; node < FRAME_NODES; node++)
        released += page_heap_release_idle(&page_heaps[node], SIZE_MAX);
    return released;
}

/* Pages whose descriptors are all free. */
static size_t drain_descriptors(size_t run)
{
    (void)run;
    return metadata_pool_drain(&arena_pool) + span_drain_pools();
}

/* Free pages of arenas that are in use. Their blocks cannot become huge frames meanwhile. */
static size_t release_free_pages(size_t run)
{
    size_t released = 0;
    for (unsigned node = 0; node < FRAME_NODES && released == 0; node++)
        released = page_heap_release_free(&page_heaps[node], ARENA_PAGES, run);
    return released;
}

/* The CPUs' reservations of trees. */
static size_t end_reservations(size_t run)
{
    (void)run;
    frames_drain();
    return 0;
}

#define WHEN_ANY                                                                                   \
    (RECLAIM_FOR_OBJECT | RECLAIM_MAY_WAIT | RECLAIM_FOR_FRAMES | RECLAIM_FOR_TABLES | RECLAIM_ALL)

static const struct reclaim_step {
    size_t (*free_memory)(size_t run);
    unsigned occasions; /* bits of enum reclaim_occasion */
    bool last_resort;   /* only if the steps before freed no frame */
} steps[] = {
    {drain_other_cpus, RECLAIM_MAY_WAIT, false},
    {drain_own_cache, RECLAIM_FOR_OBJECT | RECLAIM_FOR_FRAMES | RECLAIM_ALL, false},
    {drain_shared_caches, WHEN_ANY, false},
    {release_idle_arenas, WHEN_ANY, false},
    {drain_descriptors, WHEN_ANY, false},
    {release_free_pages, RECLAIM_FOR_FRAMES, true},
    {end_reservations, RECLAIM_ALL, false},
};

/* ---- occasions ---- */

size_t reclaim(enum reclaim_occasion occasion, size_t run)
{
    size_t freed = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if ((steps[i].occasions & occasion) && !(steps[i].last_resort && freed > 0))
            freed += steps[i].free_memory(run);
    return freed;
}

static size_t reclaim_for_frames(size_t run)
{
    return reclaim(RECLAIM_FOR_FRAMES, run);
}

void reclaim_init(void)
{
    frames_set_reclaim(reclaim_for_frames);
}
