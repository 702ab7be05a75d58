/* SPDX-License-Identifier: MIT */
/* Idle arenas go back; see scavenger.h. */
#include "mm/reclaim/scavenger.h"

#include "lib/bits.h"
#include "mm/pages/page_heap.h"

/* The most arenas that were busy in each of the last steps. */
static size_t recent_peak[SCAVENGER_STEPS_REMEMBERED];
static size_t steps;

void scavenger_init(void)
{
    for (unsigned i = 0; i < SCAVENGER_STEPS_REMEMBERED; i++)
        recent_peak[i] = 0;
    steps = 0;
}

/* Notes this step's peak; returns how many arenas are more than the recent steps needed. */
static size_t arenas_not_needed(void)
{
    irq_state irq = spinlock_acquire(&page_heap.lock);
    recent_peak[steps++ % SCAVENGER_STEPS_REMEMBERED] = page_heap.busy_peak;
    page_heap.busy_peak = page_heap.arenas - page_heap.idle_arenas;
    size_t needed = 0;
    for (unsigned i = 0; i < SCAVENGER_STEPS_REMEMBERED; i++)
        needed = max_u64(needed, recent_peak[i]);
    size_t surplus = page_heap.arenas > needed ? page_heap.arenas - needed : 0;
    spinlock_release(&page_heap.lock, irq);
    return surplus;
}

size_t scavenger_step(void)
{
    return page_heap_release_idle(min_u64(arenas_not_needed(), SCAVENGER_ARENAS_PER_STEP));
}

size_t scavenger_release_all(void)
{
    size_t released = page_heap_release_idle(SIZE_MAX);
    metadata_pool_drain(&arena_pool);
    return released;
}
