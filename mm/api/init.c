/* SPDX-License-Identifier: MIT */
/*
 * The heap's beginning, and CPUs that come and go.
 *
 * quarry_init() reads the memory map, takes one window out of it for all of Quarry's tables (their
 * sizes follow from the highest address and the number of CPUs), builds each part there, gives the
 * rest of the window back, and opens the frame allocator over what remains. Nothing but the
 * tables' small parts is touched: large ones are built as they are needed.
 */
#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "lib/spinlock.h"
#include "mm/api/heap.h"
#include "mm/debug/guard_pages.h"
#include "mm/frames/boot_memory.h"
#include "mm/frames/frame_api.h"
#include "mm/frames/frame_cache.h"
#include "mm/kinds/large.h"
#include "mm/objects/central_list.h"
#include "mm/objects/cpu_cache.h"
#include "mm/objects/transfer_cache.h"
#include "mm/pages/page_heap.h"
#include "mm/pages/span.h"
#include "mm/reclaim/scavenger.h"

#define DIRECT_MAP_ALIGNMENT ((uintptr_t)1 << 30)

/* One CPU comes or goes at a time. */
static struct spinlock cpus_lock;

static size_t boot_bytes_bound(size_t end_frame, unsigned cpus)
{
    return frame_allocator_boot_bytes(end_frame, cpus) + page_map_boot_bytes(end_frame) +
           page_heap_boot_bytes() + transfer_caches_boot_bytes() + cpu_caches_boot_bytes(cpus) +
           frame_caches_boot_bytes(cpus);
}

static bool is_sane(const struct quarry_setup *setup)
{
    return setup->cpus >= 1 && setup->cpus <= QUARRY_CPUS_MAX &&
           setup->direct_map % DIRECT_MAP_ALIGNMENT == 0 &&
           (setup->regions != NULL || setup->region_count == 0);
}

static void build(struct boot_memory *boot, const struct quarry_setup *setup, size_t end_frame)
{
    frame_allocator_init(&frames.allocator, &frames.map, boot, setup->cpus);
    frame_caches_init(boot, setup->cpus);
    page_map_init(boot, setup->direct_map, end_frame);
    page_heap_init(boot);
    scavenger_init();
    span_init();
    large_init();
    harden_init(setup->seed);
    guard_pages_init(setup->set_access, setup->seed);
    central_lists_init(setup->seed);
    transfer_caches_init(boot);
    cpu_caches_init(boot, setup->cpus);
}

enum quarry_status quarry_init(const struct quarry_setup *setup)
{
    if (!is_sane(setup))
        return QUARRY_BAD_SETUP;
    stop_forget();
    spinlock_rank_forget();
    memory_map_import(&frames.map, setup->regions, setup->region_count);
    size_t end_frame = memory_map_end(&frames.map);
    struct boot_memory boot;
    if (!boot_memory_open(&boot, &frames.map, setup->direct_map,
                          boot_bytes_bound(end_frame, setup->cpus)))
        return QUARRY_NO_MEMORY;
    build(&boot, setup, end_frame);
    spinlock_init(&cpus_lock, LOCK_RANK_CPUS);
    heap.boot_bytes = boot_memory_close(&boot);
    heap.interrupt_cpu = setup->interrupt_cpu;
    frames.direct_map = setup->direct_map;
    frames.memory_idle = setup->memory_idle;
    frames.last_frame = (frames.allocator.child_count << CHILD_SHIFT) - 1;
    heap_offer_idle_memory();
    frame_allocator_open(&frames.allocator);
    cpu_caches_set_budget(frames.allocator.total_frames << FRAME_SHIFT);
    transfer_caches_set_budget(frames.allocator.total_frames << FRAME_SHIFT);
    return QUARRY_OK;
}

/* ---- CPUs ---- */

enum quarry_status quarry_cpu_online(unsigned cpu)
{
    if (cpu >= cpu_cache_count())
        return QUARRY_BAD_SETUP;
    struct cpu_cache *cache = cpu_cache_of(cpu);
    irq_state irq = spinlock_acquire(&cpus_lock);
    enum quarry_status status = QUARRY_OK;
    if (cache->online) {
        status = QUARRY_BAD_SETUP;
    } else {
        cpu_cache_bind(cache);
        bool open = cpu_cache_open(cache);
        if (!open && heap_release_idle() > 0)
            open = cpu_cache_open(cache);
        if (!open)
            status = QUARRY_NO_MEMORY;
    }
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

/* ---- remote drain ---- */

static bool ask_to_drain(unsigned cpu)
{
    struct cpu_cache *cache = cpu_cache_of(cpu);
    if (!atomic_load_acquire(&cache->online))
        return false;
    atomic_store_release(&cache->drain_asked, true);
    if (heap.interrupt_cpu != NULL)
        heap.interrupt_cpu(cpu);
    return true;
}

static unsigned count_unanswered(void)
{
    unsigned unanswered = 0;
    for (unsigned cpu = 0; cpu < cpu_cache_count(); cpu++) {
        const struct cpu_cache *cache = cpu_cache_of(cpu);
        unanswered +=
            atomic_load_acquire(&cache->online) && atomic_load_acquire(&cache->drain_asked);
    }
    return unanswered;
}

unsigned quarry_drain(void)
{
    unsigned asked = 0;
    for (unsigned cpu = 0; cpu < cpu_cache_count(); cpu++)
        if (cpu != quarry_port_cpu_number())
            asked += ask_to_drain(cpu);
    cpu_cache_drain_own();
    if (asked == 0)
        return 0;
    unsigned unanswered = count_unanswered();
    for (unsigned round = 0; unanswered > 0 && round < QUARRY_DRAIN_WAIT_ROUNDS; round++) {
        quarry_port_pause();
        unanswered = count_unanswered();
    }
    return unanswered;
}

void quarry_drain_interrupt(void)
{
    const struct cpu_cache *cache = cpu_cache_here();
    if (cache != NULL && atomic_load_acquire(&cache->drain_asked))
        cpu_cache_drain_own();
}
