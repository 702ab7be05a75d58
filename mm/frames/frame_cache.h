/* SPDX-License-Identifier: MIT */
/*
 * A few single frames per CPU, so that taking and giving one is a pop and a push.
 *
 * The stack is one of those in the CPU's block (quarry/port.h), behind the size classes', and is
 * popped and pushed by the port's own means. It holds physical addresses. Misses are worked off
 * one frame at a time by the same means, so that nothing here masks interrupts: an NMI handler
 * may free a frame at any instruction of it.
 *
 *     empty    16 frames in one piece from the allocator: one goes out, the others on the stack
 *     full     16 frames off the stack, each back to the allocator, which checks it
 *
 * A frame in here counts as allocated below and as free above: quarry_frame_free_count() adds the
 * two. So a second free of it is seen when it leaves the cache, not before; from level 1 of
 * hardening on there is no such cache, and it is seen at once (QUARRY_FRAME_CACHE_FRAMES).
 *
 * A CPU that is not online has its stack at the door, which is always both empty and full.
 *
 * Source: Linux's per-CPU page lists; the stack's form is mm/objects/cpu_cache.h.
 */
#ifndef MM_FRAMES_FRAME_CACHE_H
#define MM_FRAMES_FRAME_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/config.h>

#include <quarry_arch.h>

#include "lib/bits.h"

/* The number of the stack; size classes have the numbers below. */
#define FRAME_MAGAZINE (QUARRY_MAGAZINES - 1u)

struct boot_memory;

size_t frame_caches_boot_bytes(unsigned cpus);
void frame_caches_init(struct boot_memory *boot, unsigned cpus);

/* The CPU's block is `block`, its stack is at the door. The CPU itself calls, or it is not there.
 */
void frame_cache_bind(unsigned cpu, struct quarry_cpu *block);

/* From now on the CPU caches frames; it was settled. */
void frame_cache_open(unsigned cpu);

/* All the cache's frames go to the allocator; returns how many. The CPU itself calls, or it is
 * dead. After the second form it caches no more. */
size_t frame_cache_drain(unsigned cpu);
void frame_cache_close(unsigned cpu);

/* Frames in all caches. Exact while no CPU is inside. */
size_t frame_caches_held(void);

void frame_caches_verify(void);

/* When the stack is empty or full. The first returns 0 when there is no frame. */
uint64_t frame_cache_alloc_missed(void);
void frame_cache_free_missed(uint64_t physical);

/* Whether this CPU was ever settled; frames may be asked for before that. */
static inline bool frame_cache_is_there(void)
{
    return likely(quarry_port_cpu()->top[FRAME_MAGAZINE] != NULL);
}

#endif
