/* SPDX-License-Identifier: MIT */
/*
 * CPUs go online and offline, and drain their caches on request.
 *
 * One CPU at a time changes its state, under cpus_lock: opening and closing a cache allocates and
 * frees frames under it.
 */
#include "mm/api/init.h"

#include <quarry/quarry.h>

#include "lib/spinlock.h"
#include "mm/objects/cpu_cache.h"
#include "mm/reclaim/reclaim.h"
#include "mm/reclaim/remote_drain.h"

static struct spinlock cpus_lock;

void cpus_init(void)
{
    spinlock_init(&cpus_lock, LOCK_RANK_CPUS);
}

/* The lock is held. */
static enum quarry_status take_online(struct cpu_cache *cache)
{
    if (cache->online)
        return QUARRY_BAD_SETUP;
    cpu_cache_bind(cache);
    bool open = cpu_cache_open(cache);
    if (!open && reclaim(RECLAIM_FOR_TABLES, 1) > 0)
        open = cpu_cache_open(cache);
    return open ? QUARRY_OK : QUARRY_NO_MEMORY;
}

enum quarry_status quarry_cpu_online(unsigned cpu)
{
    if (cpu >= cpu_cache_count())
        return QUARRY_BAD_SETUP;
    irq_state irq = spinlock_acquire(&cpus_lock);
    enum quarry_status status = take_online(cpu_cache_of(cpu));
    spinlock_release(&cpus_lock, irq);
    return status;
}

static enum quarry_status take_offline(struct cpu_cache *cache)
{
    irq_state irq = spinlock_acquire(&cpus_lock);
    enum quarry_status status = cache->online ? QUARRY_OK : QUARRY_BAD_SETUP;
    if (cache->online)
        cpu_cache_close(cache);
    spinlock_release(&cpus_lock, irq);
    return status;
}

void quarry_cpu_offline(void)
{
    if (cpu_cache_here() != NULL) /* it was online once */
        take_offline(cpu_cache_here());
}

enum quarry_status quarry_cpu_reap(unsigned cpu)
{
    if (cpu >= cpu_cache_count() || cpu == quarry_port_cpu_number())
        return QUARRY_BAD_SETUP;
    return take_offline(cpu_cache_of(cpu));
}

/* ---- drain on request ---- */

unsigned quarry_drain(void)
{
    return remote_drain();
}

void quarry_drain_interrupt(void)
{
    if (cpu_cache_here() != NULL)
        cpu_cache_drain_if_requested();
}
