/* SPDX-License-Identifier: MIT */
/*
 * A cache of single frames per CPU: allocating or freeing one is a pop or a push.
 *
 * The magazine is the last one in the CPU's block (quarry/port.h) and holds physical addresses. A
 * miss pops and pushes frame by frame too, so nothing here masks interrupts, and an NMI handler may
 * free a frame at any instruction:
 *
 *     empty    16 frames in one piece from the allocator: one is returned, 15 are pushed
 *     full     up to 16 frames are popped and freed to the allocator, which checks each
 *
 * A cached frame counts as allocated in the allocator and as free in quarry_frame_free_count(). A
 * second free of a cached frame is seen when it leaves the cache. From level 1 of hardening on
 * there is no such cache, and a second free is seen at once (QUARRY_FRAME_CACHE_FRAMES).
 *
 * The magazine of a CPU that is not online is the sentinel, which is both empty and full.
 *
 * Source: Linux's per-CPU page lists.
 */
#ifndef MM_FRAMES_FRAME_CACHE_H
#define MM_FRAMES_FRAME_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/config.h>

#include <quarry_arch.h>

#include "lib/bits.h"

/* The number of the magazine; cache ids are the numbers below. */
#define FRAME_MAGAZINE (QUARRY_MAGAZINES - 1u)

struct boot_memory;

size_t frame_caches_boot_bytes(unsigned cpus);
void frame_caches_init(struct boot_memory *boot, unsigned cpus);

/* The CPU's block is `block`, and its magazine the sentinel. The CPU itself calls, or it does not
 * run. */
void frame_cache_bind(unsigned cpu, struct quarry_cpu *block);

/* From now on the CPU caches frames. It was bound before. */
void frame_cache_open(unsigned cpu);

/* Frees all cached frames to the allocator; returns how many. The CPU itself calls, or it does not
 * run any more. frame_cache_close() also ends caching. */
size_t frame_cache_drain(unsigned cpu);
void frame_cache_close(unsigned cpu);

/* Frames in all caches. Exact while no CPU is inside. */
size_t frame_caches_held(void);

void frame_caches_verify(void);

/* For an empty and for a full magazine. The first returns 0 when there is no frame. */
uint64_t frame_cache_alloc_missed(void);
void frame_cache_free_missed(uint64_t physical);

/* Whether this CPU was ever bound; frames may be requested before that. */
static inline bool frame_cache_is_there(void)
{
    return likely(quarry_port_cpu()->top[FRAME_MAGAZINE] != NULL);
}

#endif
