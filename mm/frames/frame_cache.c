/* SPDX-License-Identifier: MIT */
/* Single frames per CPU; see frame_cache.h. */
#include "mm/frames/frame_cache.h"

#include "lib/atomic.h"
#include "lib/check.h"
#include "mm/frames/boot_memory.h"
#include "mm/frames/frames.h"

/* Frames moved between a magazine and the allocator at a time: 16, a third of the magazine. */
#define BATCH_ORDER 4u
#define BATCH ((size_t)1 << BATCH_ORDER)

/* The magazine of one CPU, between two sentinel words as mm/objects/magazine.h draws it. Only its
 * CPU touches it, or the CPU that reaps it. */
struct frame_cache {
    struct quarry_cpu *block; /* where `top` is; NULL until the CPU is online for the first time */
    void *magazine[1 + QUARRY_FRAME_CACHE_FRAMES + 1];
} __attribute__((__aligned__(64)));

static struct frame_cache *caches; /* one per CPU that may come online */
static unsigned cache_count;
static void *sentinel[2] = {NULL, QUARRY_MAGAZINE_END}; /* empty and full; never written */

size_t frame_caches_boot_bytes(unsigned cpus)
{
    return boot_memory_bound(cpus * sizeof(struct frame_cache));
}

void frame_caches_init(struct boot_memory *boot, unsigned cpus)
{
    caches = boot_memory_alloc_cleared(boot, cpus * sizeof(struct frame_cache));
    cache_count = cpus;
    for (unsigned cpu = 0; cpu < cpus; cpu++)
        caches[cpu].magazine[1 + QUARRY_FRAME_CACHE_FRAMES] = QUARRY_MAGAZINE_END;
}

static void ***top_of(const struct frame_cache *cache)
{
    return &cache->block->top[FRAME_MAGAZINE];
}

void frame_cache_bind(unsigned cpu, struct quarry_cpu *block)
{
    caches[cpu].block = block;
    *top_of(&caches[cpu]) = sentinel;
}

void frame_cache_open(unsigned cpu)
{
    if (QUARRY_FRAME_CACHE_FRAMES > 0)
        *top_of(&caches[cpu]) = caches[cpu].magazine;
}

/*
 * Frees all frames of the magazine, then puts `then` in its place; returns the number of frames.
 * One instruction exchanges the magazine for the sentinel, so an NMI handler finds one of the two.
 */
static size_t empty(struct frame_cache *cache, void **then)
{
    size_t freed = 0;
    for (void **top = atomic_exchange(top_of(cache), sentinel); *top != NULL; top--, freed++)
        frames_free((uintptr_t)*top >> FRAME_SHIFT, 0);
    *top_of(cache) = then;
    return freed;
}

size_t frame_cache_drain(unsigned cpu)
{
    if (caches[cpu].block == NULL || *top_of(&caches[cpu]) == sentinel)
        return 0;
    return empty(&caches[cpu], caches[cpu].magazine);
}

void frame_cache_close(unsigned cpu)
{
    empty(&caches[cpu], sentinel);
}

static size_t held(const struct frame_cache *cache)
{
    void **top = cache->block != NULL ? atomic_load_relaxed(top_of(cache)) : sentinel;
    return top != sentinel ? (size_t)(top - cache->magazine) : 0;
}

size_t frame_caches_held(void)
{
    size_t sum = 0;
    for (unsigned cpu = 0; cpu < cache_count; cpu++)
        sum += held(&caches[cpu]);
    return sum;
}

void frame_caches_verify(void)
{
    for (unsigned cpu = 0; cpu < cache_count; cpu++) {
        const struct frame_cache *cache = &caches[cpu];
        CHECK(held(cache) <= QUARRY_FRAME_CACHE_FRAMES && cache->magazine[0] == NULL &&
                  cache->magazine[1 + QUARRY_FRAME_CACHE_FRAMES] == QUARRY_MAGAZINE_END &&
                  sentinel[0] == NULL && sentinel[1] == QUARRY_MAGAZINE_END,
              "quarry: the frame cache of cpu %u holds %zu of %u, sentinels %p %p", cpu,
              held(cache), QUARRY_FRAME_CACHE_FRAMES, cache->magazine[0],
              cache->magazine[1 + QUARRY_FRAME_CACHE_FRAMES]);
    }
}

/* ---- misses ---- */

static bool is_at_sentinel(void)
{
    return !frame_cache_is_there() || quarry_port_cpu()->top[FRAME_MAGAZINE] == sentinel;
}

__attribute__((__noinline__)) uint64_t frame_cache_alloc_missed(void)
{
    size_t first = is_at_sentinel() ? NO_FRAME : frames_alloc(frame_node_here(), BATCH_ORDER);
    if (first == NO_FRAME)
        return (uint64_t)frames_alloc(frame_node_here(), 0) << FRAME_SHIFT;
    /* Handlers and other threads may have filled the magazine meanwhile. */
    for (size_t frame = first + 1; frame < first + BATCH; frame++)
        if (!quarry_port_push(FRAME_MAGAZINE, (void *)(frame << FRAME_SHIFT)))
            frames_free(frame, 0);
    return (uint64_t)first << FRAME_SHIFT;
}

__attribute__((__noinline__)) void frame_cache_free_missed(uint64_t physical)
{
    frames_free(physical >> FRAME_SHIFT, 0);
    for (size_t i = 1; i < BATCH; i++) {
        void *next = quarry_port_pop(FRAME_MAGAZINE);
        if (next == NULL)
            return;
        frames_free((uintptr_t)next >> FRAME_SHIFT, 0);
    }
}
