/* SPDX-License-Identifier: MIT */
/*
 * Every tunable of Quarry: its default, its unit, the reason, and the range that is checked.
 * Override with -DNAME=value when building; all of Quarry must be built with the same values.
 */
#ifndef QUARRY_CONFIG_H
#define QUARRY_CONFIG_H

/* 1: assertions and lock ranks are checked as well, on slow paths only. */
#ifndef QUARRY_DEBUG
#define QUARRY_DEBUG 0
#endif
_Static_assert(QUARRY_DEBUG == 0 || QUARRY_DEBUG == 1, "QUARRY_DEBUG is 0 or 1");

/* 1: tests can make requests to lower layers fail (lib/fault.h). Costs a call at each such place.
 */
#ifndef QUARRY_FAULTS
#define QUARRY_FAULTS 0
#endif
_Static_assert(QUARRY_FAULTS == 0 || QUARRY_FAULTS == 1, "QUARRY_FAULTS is 0 or 1");

/* 1: every atomic operation is a point at which a test may let another CPU go on (lib/atomic.h). For
 * the exploration of schedules only: there CPUs are coroutines of one thread. */
#ifndef QUARRY_EXPLORE
#define QUARRY_EXPLORE 0
#endif
_Static_assert(QUARRY_EXPLORE == 0 || QUARRY_EXPLORE == 1, "QUARRY_EXPLORE is 0 or 1");

/* CPUs: numbers 0 to this less one. What a machine really has is told to quarry_init(); this only
 * bounds it. 256 covers every machine whose APIC ids fit a byte; 4096 fits the frame allocator. */
#ifndef QUARRY_CPUS_MAX
#define QUARRY_CPUS_MAX 256
#endif
_Static_assert(QUARRY_CPUS_MAX >= 1 && QUARRY_CPUS_MAX <= 4096, "QUARRY_CPUS_MAX is 1 to 4096");

/* Ranges of usable memory that are kept apart after sorting and merging. Firmware maps have about
 * a hundred descriptors, which merge to a dozen; 256 ranges are 4 KiB of data. */
#ifndef QUARRY_MAP_RANGES_MAX
#define QUARRY_MAP_RANGES_MAX 256
#endif
_Static_assert(QUARRY_MAP_RANGES_MAX >= 8 && QUARRY_MAP_RANGES_MAX <= 65536,
               "QUARRY_MAP_RANGES_MAX is 8 to 65536");

/* Children (2 MiB each) in a tree, the unit that a CPU reserves. 32 (64 MiB):
 * with less, CPUs change trees often; with more, few CPUs find one of their own. */
#ifndef QUARRY_TREE_CHILDREN
#define QUARRY_TREE_CHILDREN 32
#endif
_Static_assert(QUARRY_TREE_CHILDREN >= 1 && QUARRY_TREE_CHILDREN <= 64 &&
                   (QUARRY_TREE_CHILDREN & (QUARRY_TREE_CHILDREN - 1)) == 0,
               "QUARRY_TREE_CHILDREN is a power of two, 1 to 64");

/* Bytes of free objects that one CPU's cache may hold at most. 1 MiB is a
 * guess of TCMalloc's order of magnitude: less means more misses, more keeps memory from others. */
#ifndef QUARRY_CACHE_BYTES_MAX
#define QUARRY_CACHE_BYTES_MAX (1024u * 1024u)
#endif
_Static_assert(QUARRY_CACHE_BYTES_MAX >= 64 * 1024 && QUARRY_CACHE_BYTES_MAX <= 1u << 30,
               "QUARRY_CACHE_BYTES_MAX is 64 KiB to 1 GiB");

/* All CPU caches together hold at most this part of memory: one in 64. Each still gets at least
 * 64 KiB, below which the larger classes would not be cached at all. */
#ifndef QUARRY_CACHE_SHARE
#define QUARRY_CACHE_SHARE 64
#endif
_Static_assert(QUARRY_CACHE_SHARE >= 8 && QUARRY_CACHE_SHARE <= 4096,
               "QUARRY_CACHE_SHARE is 8 to 4096");

/* Batches that a transfer cache holds for one size class. 8 let producer and consumer CPUs run
 * apart by 256 small objects before the central list is asked. */
#ifndef QUARRY_TRANSFER_BATCHES
#define QUARRY_TRANSFER_BATCHES 8
#endif
_Static_assert(QUARRY_TRANSFER_BATCHES >= 1 && QUARRY_TRANSFER_BATCHES <= 64,
               "QUARRY_TRANSFER_BATCHES is 1 to 64");

/* Bytes of objects that one transfer cache may hold, whatever the number of batches. */
#ifndef QUARRY_TRANSFER_BYTES
#define QUARRY_TRANSFER_BYTES (64u * 1024u)
#endif
_Static_assert(QUARRY_TRANSFER_BYTES >= 4096, "QUARRY_TRANSFER_BYTES is at least 4096");

/* How long (rounds of quarry_port_pause()) a waiting allocation waits for other CPUs to drain
 * their caches before it goes on without them. A CPU that never answers costs this much, once. */
#ifndef QUARRY_DRAIN_WAIT_ROUNDS
#define QUARRY_DRAIN_WAIT_ROUNDS 1000000u
#endif
_Static_assert(QUARRY_DRAIN_WAIT_ROUNDS >= 1, "QUARRY_DRAIN_WAIT_ROUNDS is at least 1");

#endif
