/* SPDX-License-Identifier: MIT */
/* Steps of the scavenger; see scavenger.h. */
#include "mm/reclaim/scavenger.h"

#include "lib/bits.h"
#include "mm/objects/central_list.h"
#include "mm/objects/cpu_cache.h"
#include "mm/objects/transfer_cache.h"
#include "mm/pages/page_heap.h"

/* The most arenas of a page heap that were in use at once, in each of the last steps. */
struct peaks {
    size_t arenas[QUARRY_SCAVENGE_STEPS_REMEMBERED];
    size_t steps;
};

static struct peaks peaks[FRAME_NODES];

void scavenger_init(void)
{
    for (unsigned node = 0; node < FRAME_NODES; node++)
        peaks[node] = (struct peaks){0};
}

/* Records the peak of this step; returns how many arenas are more than the last steps needed. */
static size_t surplus_arenas(struct page_heap *heap, struct peaks *peak)
{
    size_t arenas;
    size_t slot = atomic_fetch_add(&peak->steps, 1) % QUARRY_SCAVENGE_STEPS_REMEMBERED;
    atomic_store_relaxed(&peak->arenas[slot], page_heap_read_peak(heap, &arenas));
    size_t needed = 0;
    for (unsigned i = 0; i < QUARRY_SCAVENGE_STEPS_REMEMBERED; i++)
        needed = max_u64(needed, atomic_load_relaxed(&peak->arenas[i]));
    return arenas > needed ? arenas - needed : 0;
}

size_t scavenger_step(void)
{
    cpu_cache_drain_idle();
    for (unsigned id = 1; id < cache_id_count(); id++) {
        transfer_cache_trim(id);
        central_list_drain_if_idle(id);
    }
    size_t released = 0;
    for (unsigned node = 0; node < FRAME_NODES; node++) {
        size_t surplus = surplus_arenas(&page_heaps[node], &peaks[node]);
        released += page_heap_release_idle(&page_heaps[node],
                                           min_u64(surplus, QUARRY_SCAVENGE_ARENAS_PER_STEP));
    }
    return released;
}
