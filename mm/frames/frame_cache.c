/* SPDX-License-Identifier: MIT */
/* Single frames per CPU; see frame_cache.h. */
#include "mm/frames/frame_cache.h"

#include "lib/atomic.h"
#include "lib/check.h"
#include "mm/frames/boot_memory.h"
#include "mm/frames/frame_api.h"

#define BATCH_ORDER 4u
#define BATCH ((size_t)1 << BATCH_ORDER)

/* Between two sentinels, as cpu_cache.h draws it. The CPU's, or whoever's adopts it. */
struct frame_cache {
    struct quarry_cpu *block; /* where `top` is; NULL until the CPU is online for the first time */
    void *stack[1 + QUARRY_FRAME_CACHE_FRAMES + 1];
} __attribute__((__aligned__(64)));

static struct frame_cache *caches; /* one per CPU that may come online */
static unsigned cache_count;
static void *door[2] = {NULL, QUARRY_MAGAZINE_END}; /* never written: it is full */

size_t frame_caches_boot_bytes(unsigned cpus)
{
    return cpus * sizeof(struct frame_cache) + 64;
}

void frame_caches_init(struct boot_memory *boot, unsigned cpus)
{
    caches = boot_memory_alloc_cleared(boot, cpus * sizeof(struct frame_cache));
    cache_count = cpus;
    for (unsigned cpu = 0; cpu < cpus; cpu++)
        caches[cpu].stack[1 + QUARRY_FRAME_CACHE_FRAMES] = QUARRY_MAGAZINE_END;
}

static void ***top_of(const struct frame_cache *cache)
{
    return &cache->block->top[FRAME_MAGAZINE];
}

void frame_cache_bind(unsigned cpu, struct quarry_cpu *block)
{
    caches[cpu].block = block;
    *top_of(&caches[cpu]) = door;
}

void frame_cache_open(unsigned cpu)
{
    if (QUARRY_FRAME_CACHE_FRAMES > 0)
        *top_of(&caches[cpu]) = caches[cpu].stack;
}

/*
 * The stack is exchanged for the door in one instruction, so that an NMI handler finds the one or
 * the other.
 */
static size_t empty(struct frame_cache *cache, void **then)
{
    size_t given = 0;
    for (void **top = atomic_exchange(top_of(cache), door); *top != NULL; top--, given++)
        frame_allocator_free(&frames.allocator, quarry_port_cpu_number(),
                             (uintptr_t)*top >> FRAME_SHIFT, 0);
    *top_of(cache) = then;
    return given;
}

size_t frame_cache_drain(unsigned cpu)
{
    if (caches[cpu].block == NULL || *top_of(&caches[cpu]) == door)
        return 0;
    return empty(&caches[cpu], caches[cpu].stack);
}

void frame_cache_close(unsigned cpu)
{
    empty(&caches[cpu], door);
}

static size_t held(const struct frame_cache *cache)
{
    void **top = cache->block != NULL ? atomic_load_relaxed(top_of(cache)) : door;
    return top != door ? (size_t)(top - cache->stack) : 0;
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
        CHECK(held(cache) <= QUARRY_FRAME_CACHE_FRAMES && cache->stack[0] == NULL &&
                  cache->stack[1 + QUARRY_FRAME_CACHE_FRAMES] == QUARRY_MAGAZINE_END &&
                  door[0] == NULL && door[1] == QUARRY_MAGAZINE_END,
              "quarry: the frame cache of cpu %u holds %zu of %u, sentinels %p %p", cpu,
              held(cache), QUARRY_FRAME_CACHE_FRAMES, cache->stack[0],
              cache->stack[1 + QUARRY_FRAME_CACHE_FRAMES]);
    }
}

/* ---- misses ---- */

static bool at_door(void)
{
    return !frame_cache_is_there() || quarry_port_cpu()->top[FRAME_MAGAZINE] == door;
}

static size_t take(unsigned order)
{
    return frame_allocator_alloc(&frames.allocator, quarry_port_cpu_number(), order);
}

static void give(size_t frame)
{
    frame_allocator_free(&frames.allocator, quarry_port_cpu_number(), frame, 0);
}

__attribute__((__noinline__)) uint64_t frame_cache_alloc_missed(void)
{
    size_t first = at_door() ? NO_FRAME : take(BATCH_ORDER);
    if (first == NO_FRAME)
        return (uint64_t)take(0) << FRAME_SHIFT;
    /* Handlers and other threads may have filled the stack meanwhile. */
    for (size_t frame = first + 1; frame < first + BATCH; frame++)
        if (!quarry_port_push(FRAME_MAGAZINE, (void *)(frame << FRAME_SHIFT)))
            give(frame);
    return (uint64_t)first << FRAME_SHIFT;
}

__attribute__((__noinline__)) void frame_cache_free_missed(uint64_t physical)
{
    give(physical >> FRAME_SHIFT);
    for (size_t i = 1; i < BATCH; i++) {
        void *next = quarry_port_pop(FRAME_MAGAZINE);
        if (next == NULL)
            return;
        give((uintptr_t)next >> FRAME_SHIFT);
    }
}
