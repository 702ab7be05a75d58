/* SPDX-License-Identifier: MIT */
/*
 * The tunables of Quarry: default, unit, reason, and the range that is checked. Override them with
 * -DNAME=value; all of Quarry, and the files that include its headers, must be built with the same
 * values. What a port chooses stands in its <quarry_arch.h>: for x86-64 QUARRY_GS_SELF,
 * QUARRY_GS_NUMBER, QUARRY_GS_BLOCK and QUARRY_MASKED.
 */
#ifndef QUARRY_CONFIG_H
#define QUARRY_CONFIG_H

#ifdef __cplusplus
#define QUARRY_CHECK_SETTING(condition, text) static_assert(condition, text)
#else
#define QUARRY_CHECK_SETTING(condition, text) _Static_assert(condition, text)
#endif

/* 1: assertions and lock ranks are checked as well, on slow paths only. */
#ifndef QUARRY_DEBUG
#define QUARRY_DEBUG 0
#endif
QUARRY_CHECK_SETTING(QUARRY_DEBUG == 0 || QUARRY_DEBUG == 1, "QUARRY_DEBUG is 0 or 1");

/*
 * How much misuse of objects is checked; docs/hardening.md has the price of each level.
 *
 *   0  what slow paths see without extra work
 *   1  each free is checked at once; freed objects are poisoned and wait in a quarantine; each
 *      object has a canary behind it; slots are allocated in random order
 *   2  also: the exact end of each object, who allocated and who freed it, and which objects are
 *      live since a mark
 */
#ifndef QUARRY_HARDEN
#define QUARRY_HARDEN 0
#endif
QUARRY_CHECK_SETTING(QUARRY_HARDEN >= 0 && QUARRY_HARDEN <= 2, "QUARRY_HARDEN is 0, 1 or 2");

/* Bytes of a freed object that are poisoned, and checked when it is allocated again. At level 1 the
 * front of an object, where most writes after a free go; at level 2 all of it. */
#ifndef QUARRY_POISON_BYTES
#define QUARRY_POISON_BYTES (QUARRY_HARDEN >= 2 ? 65536u : 256u)
#endif
QUARRY_CHECK_SETTING(QUARRY_POISON_BYTES % 8 == 0, "QUARRY_POISON_BYTES is a multiple of 8");

/* Objects in one CPU's quarantine: a freed object is reused only after this many later frees on the
 * same CPU. */
#ifndef QUARRY_QUARANTINE_OBJECTS
#define QUARRY_QUARANTINE_OBJECTS 64u
#endif
QUARRY_CHECK_SETTING(QUARRY_QUARANTINE_OBJECTS >= 1 && QUARRY_QUARANTINE_OBJECTS <= 4096,
                     "QUARRY_QUARANTINE_OBJECTS is 1 to 4096");

/* Larger objects (in bytes of their class) bypass the quarantine, which would hold too much
 * memory. */
#ifndef QUARRY_QUARANTINE_BYTES_MAX
#define QUARRY_QUARANTINE_BYTES_MAX 1024u
#endif
QUARRY_CHECK_SETTING(QUARRY_QUARANTINE_BYTES_MAX >= 8, "QUARRY_QUARANTINE_BYTES_MAX is at least 8");

/* Objects that can be between guard pages at a time, after quarry_guard_start(). Each takes two
 * pages of memory. */
#ifndef QUARRY_GUARD_OBJECTS
#define QUARRY_GUARD_OBJECTS 64u
#endif
QUARRY_CHECK_SETTING(QUARRY_GUARD_OBJECTS >= 1 && QUARRY_GUARD_OBJECTS <= 65536,
                     "QUARRY_GUARD_OBJECTS is 1 to 65536");

/* 1: all code is built with frame pointers, so a report on a guarded object shows the call stack
 * and not only the last caller. */
#ifndef QUARRY_FRAME_POINTERS
#define QUARRY_FRAME_POINTERS 0
#endif
QUARRY_CHECK_SETTING(QUARRY_FRAME_POINTERS == 0 || QUARRY_FRAME_POINTERS == 1,
                     "QUARRY_FRAME_POINTERS is 0 or 1");

/* 1: tests can make requests to lower layers fail (lib/fault.h). Costs a call for each such
 * request. */
#ifndef QUARRY_FAULTS
#define QUARRY_FAULTS 0
#endif
QUARRY_CHECK_SETTING(QUARRY_FAULTS == 0 || QUARRY_FAULTS == 1, "QUARRY_FAULTS is 0 or 1");

/* The most CPUs that setup.cpus may be. 256 covers each machine whose APIC ids fit a byte; the
 * frame allocator allows up to 4096. */
#ifndef QUARRY_CPUS_MAX
#define QUARRY_CPUS_MAX 256
#endif
QUARRY_CHECK_SETTING(QUARRY_CPUS_MAX >= 1 && QUARRY_CPUS_MAX <= 4096,
                     "QUARRY_CPUS_MAX is 1 to 4096");

/* Ranges of usable memory that the memory map can have after sorting and merging. Firmware maps
 * have about a hundred descriptors, which merge to a dozen; 256 ranges are 4 KiB of data. */
#ifndef QUARRY_MAP_RANGES_MAX
#define QUARRY_MAP_RANGES_MAX 256
#endif
QUARRY_CHECK_SETTING(QUARRY_MAP_RANGES_MAX >= 8 && QUARRY_MAP_RANGES_MAX <= 65536,
                     "QUARRY_MAP_RANGES_MAX is 8 to 65536");

/* Children (2 MiB each) in a tree, which is what a CPU reserves. 32 (64 MiB): with fewer, CPUs
 * change trees often; with more, few CPUs find a tree of their own. */
#ifndef QUARRY_TREE_CHILDREN
#define QUARRY_TREE_CHILDREN 32
#endif
QUARRY_CHECK_SETTING(QUARRY_TREE_CHILDREN >= 1 && QUARRY_TREE_CHILDREN <= 64 &&
                         (QUARRY_TREE_CHILDREN & (QUARRY_TREE_CHILDREN - 1)) == 0,
                     "QUARRY_TREE_CHILDREN is a power of two, 1 to 64");

/* Bytes of free objects that one CPU's cache may hold at most. With 8 MiB a load that allocates and
 * frees a thousand pages in turn never misses. Less causes more misses; more keeps memory from
 * other CPUs. */
#ifndef QUARRY_CACHE_BYTES_MAX
#define QUARRY_CACHE_BYTES_MAX (8u * 1024u * 1024u)
#endif
QUARRY_CHECK_SETTING(QUARRY_CACHE_BYTES_MAX >= 64 * 1024 && QUARRY_CACHE_BYTES_MAX <= 1u << 30,
                     "QUARRY_CACHE_BYTES_MAX is 64 KiB to 1 GiB");

/*
 * Caches of objects beside the plain size classes that may be created (object caches and the like).
 * Each takes one word in the CPU's block. 64 make the block 2 KiB. It may be no more than 65,000,
 * because the page map has 16 bits for the number of a cache. A plain number: assembly reads it.
 */
#ifndef QUARRY_EXTRA_CACHES
#define QUARRY_EXTRA_CACHES 64
#endif
QUARRY_CHECK_SETTING(QUARRY_EXTRA_CACHES >= 0 && QUARRY_EXTRA_CACHES <= 65000,
                     "QUARRY_EXTRA_CACHES is 0 to 65000");

/* Single frames that one CPU's cache holds: 48, three batches of 16, are 192 KiB. 0 (none) from
 * level 1 of hardening on, where a second free of a frame is seen at once. */
#ifndef QUARRY_FRAME_CACHE_FRAMES
#define QUARRY_FRAME_CACHE_FRAMES (QUARRY_HARDEN ? 0u : 48u)
#endif
QUARRY_CHECK_SETTING(QUARRY_FRAME_CACHE_FRAMES == 0 ||
                         (QUARRY_FRAME_CACHE_FRAMES >= 16 && QUARRY_FRAME_CACHE_FRAMES <= 1024),
                     "QUARRY_FRAME_CACHE_FRAMES is 0, or 16 to 1024");

/* All CPU caches together hold at most one part in this of memory: 1/64. Each gets at least 64 KiB;
 * with less, larger objects would not be cached at all. */
#ifndef QUARRY_CACHE_SHARE
#define QUARRY_CACHE_SHARE 64
#endif
QUARRY_CHECK_SETTING(QUARRY_CACHE_SHARE >= 8 && QUARRY_CACHE_SHARE <= 4096,
                     "QUARRY_CACHE_SHARE is 8 to 4096");

/* Batches in the first array of a transfer cache. With 8, producer and consumer CPUs may be 256
 * small objects apart before the central list is used. */
#ifndef QUARRY_TRANSFER_BATCHES
#define QUARRY_TRANSFER_BATCHES 8
#endif
QUARRY_CHECK_SETTING(QUARRY_TRANSFER_BATCHES >= 1 && QUARRY_TRANSFER_BATCHES <= 64,
                     "QUARRY_TRANSFER_BATCHES is 1 to 64");

/* The longer arrays of all transfer caches together hold at most one part in this of memory: 1/64.
 * (The first arrays hold at most 64 KiB for each size class, 11 MiB in all.) */
#ifndef QUARRY_TRANSFER_SHARE
#define QUARRY_TRANSFER_SHARE 64
#endif
QUARRY_CHECK_SETTING(QUARRY_TRANSFER_SHARE >= 8 && QUARRY_TRANSFER_SHARE <= 65536,
                     "QUARRY_TRANSFER_SHARE is 8 to 65536");

/* Bytes of objects that the first array of a transfer cache holds at most. */
#ifndef QUARRY_TRANSFER_BYTES
#define QUARRY_TRANSFER_BYTES (64u * 1024u)
#endif
QUARRY_CHECK_SETTING(QUARRY_TRANSFER_BYTES >= 4096, "QUARRY_TRANSFER_BYTES is at least 4096");

/* Bytes of objects that one transfer cache holds at most, in its longest array. With 2 MiB a load
 * that passes a thousand objects of 1 KiB from CPU to CPU does not use the central list. */
#ifndef QUARRY_TRANSFER_BYTES_MAX
#define QUARRY_TRANSFER_BYTES_MAX (2u * 1024u * 1024u)
#endif
QUARRY_CHECK_SETTING(QUARRY_TRANSFER_BYTES_MAX >= QUARRY_TRANSFER_BYTES,
                     "QUARRY_TRANSFER_BYTES_MAX is at least QUARRY_TRANSFER_BYTES");

/* Steps of the scavenger (quarry_scavenge_step()) that an unused magazine is kept, and that the
 * peak use of arenas is remembered: 8, which is about a second at a step every 100 ms. */
#ifndef QUARRY_SCAVENGE_STEPS_REMEMBERED
#define QUARRY_SCAVENGE_STEPS_REMEMBERED 8
#endif
QUARRY_CHECK_SETTING(QUARRY_SCAVENGE_STEPS_REMEMBERED >= 1 &&
                         QUARRY_SCAVENGE_STEPS_REMEMBERED <= 255,
                     "QUARRY_SCAVENGE_STEPS_REMEMBERED is 1 to 255");

/* Idle arenas of 2 MiB that one step of the scavenger releases at most. */
#ifndef QUARRY_SCAVENGE_ARENAS_PER_STEP
#define QUARRY_SCAVENGE_ARENAS_PER_STEP 16u
#endif
QUARRY_CHECK_SETTING(QUARRY_SCAVENGE_ARENAS_PER_STEP >= 1,
                     "QUARRY_SCAVENGE_ARENAS_PER_STEP is at least 1");

/* How long (rounds of quarry_port_pause()) an allocation that may wait waits for other CPUs to
 * drain their caches. A CPU that never answers costs this much at each such request. */
#ifndef QUARRY_DRAIN_WAIT_ROUNDS
#define QUARRY_DRAIN_WAIT_ROUNDS 1000000u
#endif
QUARRY_CHECK_SETTING(QUARRY_DRAIN_WAIT_ROUNDS >= 1, "QUARRY_DRAIN_WAIT_ROUNDS is at least 1");

#endif
