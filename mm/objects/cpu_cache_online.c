/* SPDX-License-Identifier: MIT */
/* A CPU gets its cache and loses it: the table of caches, bind, open, close; see cpu_cache.h. */
#include "lib/atomic.h"
#include "lib/check.h"
#include "lib/spinlock.h"
#include "mm/frames/boot_memory.h"
#include "mm/frames/frame_cache.h"
#include "mm/frames/frames.h"
#include "mm/objects/cpu_cache.h"

/* With less, many CPUs that share a small memory could not cache one object of each size. */
#define BUDGET_BYTES_MIN ((size_t)64 * 1024)

static struct cpu_cache *caches; /* one per CPU that may be online */
static unsigned cache_count;

/* ---- the table of caches ---- */

size_t cpu_caches_boot_bytes(unsigned cpus)
{
    return boot_memory_bound(cpus * sizeof(struct cpu_cache));
}

static void close_magazines(struct cpu_cache *cache)
{
    atomic_store_release(&cache->online, false);
    cache->sentinel[0] = NULL;
    cache->sentinel[1] = QUARRY_MAGAZINE_END;
    for (unsigned id = 0; id < CACHE_IDS; id++) {
        cache->magazines[id] = (struct magazine){.bottom = cache->sentinel};
        if (cache->block != NULL)
            *cpu_cache_top(cache, id) = cache->sentinel;
    }
    cache->granted_bytes = 0;
    cache->next_donor = 1;
}

void cpu_caches_init(struct boot_memory *boot, unsigned cpus)
{
    caches = boot_memory_alloc_cleared(boot, cpus * sizeof(struct cpu_cache));
    cache_count = cpus;
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        caches[cpu].cpu = cpu;
        close_magazines(&caches[cpu]);
    }
}

void cpu_caches_set_budget(size_t memory_bytes)
{
    size_t share = memory_bytes / QUARRY_CACHE_SHARE / cache_count;
    size_t budget = min_u64(max_u64(share, BUDGET_BYTES_MIN), QUARRY_CACHE_BYTES_MAX);
    for (unsigned cpu = 0; cpu < cache_count; cpu++)
        caches[cpu].budget_bytes = budget;
}

unsigned cpu_cache_count(void)
{
    return cache_count;
}

struct cpu_cache *cpu_cache_of(unsigned cpu)
{
    return &caches[cpu];
}

/* ---- a CPU's cache ---- */

void cpu_cache_bind(struct cpu_cache *cache)
{
    cache->block = quarry_port_cpu();
    cache->block->cache = cache;
    close_magazines(cache);
    frame_cache_bind(cache->cpu, cache->block);
}

static size_t area_frames(void)
{
    return divide_up(cache_area_words() * sizeof(void *), FRAME_BYTES);
}

/* The magazines of further ids stay at the sentinel until they are used. */
bool cpu_cache_open(struct cpu_cache *cache)
{
    size_t first = frames_alloc_range(frame_node_here(), area_frames(), 1, 0);
    if (first == NO_FRAME)
        return false;
    cache->area = frame_address(first);
    memory_clear(cache->area, area_frames() * FRAME_BYTES);
    for (unsigned id = 1; id < SIZE_CLASS_COUNT; id++)
        magazine_open(&cache->magazines[id], cpu_cache_top(cache, id),
                      cpu_cache_first_array(cache, id), cache_shapes[id].magazine_first);
    frame_cache_open(cache->cpu);
    atomic_store_release(&cache->online, true);
    return true;
}

void cpu_cache_close(struct cpu_cache *cache)
{
    irq_state irq = quarry_port_irq_save();
    cpu_cache_drain(cache);
    frame_cache_close(cache->cpu);
    close_magazines(cache);
    frames_free_range(frame_at(cache->area), area_frames());
    cache->area = NULL;
    quarry_port_irq_restore(irq);
}

/* ---- verify ---- */

static void verify_magazine(const struct cpu_cache *cache, unsigned id)
{
    const struct magazine *magazine = &cache->magazines[id];
    size_t held = cpu_cache_held(cache, id);
    CHECK(magazine->bottom[0] == NULL && held <= magazine->capacity &&
              magazine->capacity <= magazine->places &&
              magazine->bottom[magazine->capacity + 1] == QUARRY_MAGAZINE_END,
          "quarry: the magazine of cpu %u, cache id %u, holds %zu of %u, sentinels %p %p",
          cache->cpu, id, held, magazine->capacity, magazine->bottom[0],
          magazine->bottom[magazine->capacity + 1]);
}

void cpu_cache_verify(const struct cpu_cache *cache)
{
    CHECK(cache->sentinel[0] == NULL && cache->sentinel[1] == QUARRY_MAGAZINE_END &&
              (cache->block == NULL || *cpu_cache_top(cache, 0) == cache->sentinel),
          "quarry: the sentinel of cpu %u was overwritten", cache->cpu);
    if (!cache->online)
        return;
    size_t granted = 0;
    for (unsigned id = 1; id < cache_id_count(); id++) {
        verify_magazine(cache, id);
        granted += (size_t)cache->magazines[id].capacity * cache_shapes[id].object_bytes;
    }
    CHECK(granted == cache->granted_bytes && granted <= cache->budget_bytes,
          "quarry: the cache of cpu %u was granted %zu bytes, counts %zu, may have %zu", cache->cpu,
          granted, cache->granted_bytes, cache->budget_bytes);
}
