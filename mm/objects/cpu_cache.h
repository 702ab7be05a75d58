/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU caches: for each CPU a magazine of free objects per cache id. No lock, no atomic.
 *
 * Hits are the port's pops and pushes on the CPU's magazines (magazine.h). All else is here:
 *
 *     cpu_cache_miss.c      an allocation finds the magazine empty, a free finds it full
 *     cpu_cache_drain.c     objects leave the cache
 *     cpu_cache_online.c    a CPU gets its cache, and loses it
 *
 * Capacity. A miss asks for one more batch of capacity. The capacities of all magazines of a CPU,
 * in bytes of objects, stay within its budget. When the budget is used up, a miss takes capacity
 * from another magazine, in turn; objects beyond the donor's new capacity are evicted to the
 * transfer cache.
 *
 * Arrays. The first arrays of all plain ids stand in one area, with places for two batches each.
 * Magazines of further ids begin at the sentinel and get an array with their first miss.
 *
 * Owner of a cache: its CPU, with interrupts off. Each function here masks them and then finds out
 * which CPU runs it. Other CPUs touch nothing but `drain_requested`, unless the CPU does not run
 * any more and is reaped.
 */
#ifndef MM_OBJECTS_CPU_CACHE_H
#define MM_OBJECTS_CPU_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/config.h>

#include <quarry_arch.h>

#include "mm/objects/cache_id.h"
#include "mm/objects/magazine.h"
#include "mm/objects/quarantine.h"

/* For the scavenger: whether a magazine's top moved in the last steps. */
struct idle_watch {
    void **top_seen;
    uint8_t idle_steps;
};

/*
 * Equation: granted_bytes = sum over ids of capacity * object size <= budget_bytes. `online` and
 * `area` change only in cpu_cache_open() and cpu_cache_close().
 */
struct cpu_cache {
    struct quarry_cpu *block; /* where the tops are; NULL until the CPU was online once */
    void *sentinel[MAGAZINE_SENTINELS];
    void **area; /* the first arrays of the plain ids; NULL while offline */
    uint32_t cpu;
    bool online;
    bool drain_requested; /* atomic: set by any CPU, cleared by this one */
    uint16_t next_donor;  /* the id that loses capacity next */
    size_t budget_bytes;
    size_t granted_bytes;
    struct magazine magazines[CACHE_IDS]; /* valid while online */
    struct idle_watch watches[QUARRY_MAGAZINES];
    struct quarantine quarantine;
} __attribute__((__aligned__(64)));

/* This CPU's cache; NULL if it was never online. Interrupts are off, or a stale answer is
 * harmless. */
static inline struct cpu_cache *cpu_cache_here(void)
{
    return quarry_port_cpu()->cache;
}

static inline void ***cpu_cache_top(const struct cpu_cache *cache, unsigned cache_id)
{
    return &cache->block->top[cache_id];
}

/* The array that the magazine begins with: the sentinel for an id that is not plain. */
static inline void **cpu_cache_first_array(struct cpu_cache *cache, unsigned cache_id)
{
    return cache_id < SIZE_CLASS_COUNT ? cache->area + cache_shapes[cache_id].first_place
                                       : cache->sentinel;
}

/* ---- cpu_cache_miss.c ---- */

/* One object of an id from 1 on, and a batch into the magazine; NULL when there is no memory. */
void *cpu_cache_alloc_missed(unsigned cache_id);

/* Frees an object whose magazine was full. A batch goes to the transfer cache. */
void cpu_cache_free_missed(unsigned cache_id, void *object);

/* ---- cpu_cache_drain.c ---- */

/* The capacity of a magazine, which holds no more objects than that; keeps the equation. */
void cpu_cache_set_capacity(struct cpu_cache *cache, unsigned cache_id, size_t capacity);

/* Moves an empty magazine to its first array, with no more capacity than that has. */
void cpu_cache_shrink(struct cpu_cache *cache, unsigned cache_id);

/* Frees all objects of a cache to the central lists, and its single frames, whose number it
 * returns, to the frame allocator. The cache is this CPU's with interrupts off, or a CPU's that
 * does not run. */
size_t cpu_cache_drain(struct cpu_cache *cache);

/* The same for this CPU's cache, if it has one. */
size_t cpu_cache_drain_own(void);

/* The same, if another CPU has requested it. This CPU was online once. */
void cpu_cache_drain_if_requested(void);

/* A step of the scavenger: drains the magazines of this CPU that did not move for some steps. */
void cpu_cache_drain_idle(void);

/* Frees an object into the quarantine; returns the object that leaves it, or NULL. */
void *cpu_cache_quarantine(void *object);

/* Objects of an id that a cache holds. The CPU is this one with interrupts off, or does not run. */
size_t cpu_cache_held(const struct cpu_cache *cache, unsigned cache_id);

/* The same for a CPU that may be working: an estimate, and never more than a magazine has places.
 */
size_t cpu_cache_held_about(const struct cpu_cache *cache, unsigned cache_id);

/* ---- cpu_cache_online.c ---- */

struct boot_memory;

size_t cpu_caches_boot_bytes(unsigned cpus);
void cpu_caches_init(struct boot_memory *boot, unsigned cpus);

/* Sets each CPU's budget: its share of a memory of this size. */
void cpu_caches_set_budget(size_t memory_bytes);

unsigned cpu_cache_count(void);
struct cpu_cache *cpu_cache_of(unsigned cpu);

/* Makes it the cache of this CPU, with all magazines at the sentinel. Interrupts are off. */
void cpu_cache_bind(struct cpu_cache *cache);

/* Gives the cache its magazines, empty. False: no memory. */
bool cpu_cache_open(struct cpu_cache *cache);

/* Drains the cache and takes its magazines away. It is this CPU's, or of a CPU that does not
 * run. */
void cpu_cache_close(struct cpu_cache *cache);

void cpu_cache_verify(const struct cpu_cache *cache);

#endif
