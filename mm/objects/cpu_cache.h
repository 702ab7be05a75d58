/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU caches: for each CPU and size class a small stack of free objects. No lock, no atomic.
 *
 * A stack is an array between two sentinels:
 *
 *      bottom                    top                 bottom + capacity + 1
 *        |                        |                     |
 *        0   object ... object  object   (stale) ...  MARKER
 *
 * `top` points at the object that goes out next. Popping reads it: 0 means empty. Pushing reads
 * the word above: MARKER (QUARRY_MAGAZINE_END) means full. Both end in the one store to `top` that
 * commits them, and no count is kept: so whoever interrupts one of them before that store finds,
 * and leaves, a stack that is whole. The tops stand in the CPU's own block (quarry/port.h), and
 * popping and pushing are the port's: quarry_port_pop(), quarry_port_push().
 *
 * Class 0 is the door: its stack, door[], has the 0 and directly above it the MARKER, so it is
 * always both empty and full, and whoever comes with class 0 falls through to the slow path by the
 * very test that an ordinary miss falls through by. A CPU without a cache (not yet online, or no
 * longer) has all its stacks there.
 *
 * Capacity. A stack may use only what it was granted: it stands where the MARKER stands. A miss
 * asks for one more batch. All grants of a CPU together stay within its budget in bytes; when that
 * is used up, a miss takes the grant of another class, which is asked in turn, and that class's
 * surplus objects leave with it.
 *
 * Room. All first arrays stand in one area, with places for two batches each. A stack whose grant
 * fills its array moves to one twice as long, in frames of its own: only when an allocation missed,
 * for then it is empty and nothing need be moved. When the cache is drained, or the class has given
 * its grant away, it moves back.
 *
 * Who owns a cache: its CPU. No other CPU touches it, but for `drain_asked`, and for
 * cpu_cache_adopt() when the CPU is dead. All here but pop and push masks interrupts first, then
 * looks which CPU this is.
 */
#ifndef MM_OBJECTS_CPU_CACHE_H
#define MM_OBJECTS_CPU_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/config.h>

#include <quarry_arch.h>

#include "mm/objects/size_class.h"

/*
 * Equation: granted_bytes = sum over classes of capacity * object size <= budget_bytes.
 * `online` and `area` change only in cpu_cache_open() and cpu_cache_close().
 */
struct cpu_cache {
    struct quarry_cpu *block; /* where the tops are; NULL until it is online for the first time */
    void *door[2];
    void **area; /* the first arrays: SIZE_CLASS_STACK_WORDS words; NULL while offline */
    uint32_t cpu;
    bool online;
    bool drain_asked;                     /* atomic: set by any CPU, cleared by this one */
    uint8_t next_donor;                   /* the class that gives up capacity next */
    void **bottom[SIZE_CLASS_COUNT];      /* each stack's array; all here is valid while online */
    uint16_t room[SIZE_CLASS_COUNT];      /* places in it, between the sentinels */
    uint16_t capacity[SIZE_CLASS_COUNT];  /* places that it may use; at most `room` */
    void **top_seen[QUARRY_MAGAZINES];    /* at the last step of the scavenger */
    uint8_t idle_steps[QUARRY_MAGAZINES]; /* in which the stack's top was the same */
    size_t budget_bytes;
    size_t granted_bytes;
#if QUARRY_HARDEN
    void *quarantine[QUARRY_QUARANTINE_OBJECTS]; /* quarantine.h */
    unsigned quarantine_next;                    /* the oldest */
#endif
} __attribute__((__aligned__(64)));

/* This CPU's; NULL if it was never online. Interrupts are off, or it is only looked at. */
static inline struct cpu_cache *cpu_cache_here(void)
{
    return quarry_port_cpu()->cache;
}

/* ---- misses ---- */

/* One object of a class from 1 on; NULL when memory is gone. Fills the stack with a batch. */
void *cpu_cache_alloc_missed(unsigned size_class);

/* Frees an object whose class's stack was full. Sends a batch on its way. */
void cpu_cache_free_missed(unsigned size_class, void *object);

/* ---- the caches as a whole ---- */

struct boot_memory;

size_t cpu_caches_boot_bytes(unsigned cpus);
void cpu_caches_init(struct boot_memory *boot, unsigned cpus);

/* Every CPU's share of a memory of this size. */
void cpu_caches_set_budget(size_t memory_bytes);

unsigned cpu_cache_count(void);
struct cpu_cache *cpu_cache_of(unsigned cpu);

/* Makes it the cache of the CPU that runs this, with all stacks at the door. Interrupts are off. */
void cpu_cache_bind(struct cpu_cache *cache);

/* Gives the cache its stacks, empty. False when there is no memory. */
bool cpu_cache_open(struct cpu_cache *cache);

/* Empties the cache and takes the stacks away; the cache is this CPU's, or a dead one's. */
void cpu_cache_close(struct cpu_cache *cache);

/* Sends all that this CPU's cache holds to the central lists, and its single frames, whose number
 * it returns, to the frame allocator. */
size_t cpu_cache_drain_own(void);

/* A step of the scavenger: the CPU's stacks that have not moved for some steps are drained. */
void cpu_cache_drain_if_idle(void);

/* Objects of a class that a cache holds. Exact while its CPU is not inside Quarry. */
size_t cpu_cache_held(const struct cpu_cache *cache, unsigned size_class);

void cpu_cache_verify(const struct cpu_cache *cache);

#endif
