/* SPDX-License-Identifier: MIT */
/* Drains of other CPUs' caches; see remote_drain.h. */
#include "mm/reclaim/remote_drain.h"

#include <stdbool.h>
#include <stddef.h>

#include "lib/atomic.h"
#include "mm/objects/cpu_cache.h"

static void (*interrupt)(unsigned cpu);

void remote_drain_init(void (*interrupt_cpu)(unsigned cpu))
{
    interrupt = interrupt_cpu;
}

static bool request(unsigned cpu)
{
    struct cpu_cache *cache = cpu_cache_of(cpu);
    if (!atomic_load_acquire(&cache->online))
        return false;
    /* An exchange and no plain store: the request must have left this CPU's store buffer
     * before the interrupt arrives, because the handler drains only if it sees the request. */
    (void)atomic_exchange(&cache->drain_requested, true);
    if (interrupt != NULL)
        interrupt(cpu);
    return true;
}

static unsigned count_unanswered(void)
{
    unsigned unanswered = 0;
    for (unsigned cpu = 0; cpu < cpu_cache_count(); cpu++) {
        const struct cpu_cache *cache = cpu_cache_of(cpu);
        unanswered +=
            atomic_load_acquire(&cache->online) && atomic_load_acquire(&cache->drain_requested);
    }
    return unanswered;
}

unsigned remote_drain(void)
{
    unsigned requested = 0;
    for (unsigned cpu = 0; cpu < cpu_cache_count(); cpu++)
        if (cpu != quarry_port_cpu_number())
            requested += request(cpu);
    cpu_cache_drain_own();
    if (requested == 0)
        return 0;
    unsigned unanswered = count_unanswered();
    for (unsigned round = 0; unanswered > 0 && round < QUARRY_DRAIN_WAIT_ROUNDS; round++) {
        quarry_port_pause();
        unanswered = count_unanswered();
    }
    return unanswered;
}
