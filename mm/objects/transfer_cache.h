/* SPDX-License-Identifier: MIT */
/*
 * Transfer caches: per size class, free objects on their way from one CPU to another.
 *
 * Where one CPU allocates and another frees, batches of objects meet here: a lock, a copy of a
 * few pointers, and neither the spans nor the objects are touched. What does not fit goes on to
 * the central list; what is not there comes from it. (TCMalloc's transfer cache.)
 *
 * The pointers stand in arrays of Quarry's own, never in the objects. An object in here counts as
 * handed out in its span.
 *
 * Room. The first array, in boot memory, is for some batches. When it is full, and the CPUs are
 * that far apart, the cache moves to one twice as long, in frames of its own, up to four of them:
 * as long as all that such arrays may hold is within one part in QUARRY_CACHE_SHARE of memory.
 * Drained, it moves back. What the scavenger's steps find that was not needed since the last one,
 * the fewest that lay here in between, goes on to the central list. (TCMalloc's low-water mark.)
 *
 * Locking: one lock per class, never held while the central list's is taken. Frames are taken under
 * it.
 */
#ifndef MM_OBJECTS_TRANSFER_CACHE_H
#define MM_OBJECTS_TRANSFER_CACHE_H

#include <stddef.h>

#include "lib/spinlock.h"

struct boot_memory;

/* objects[0 .. count) are valid; fewest <= count <= capacity. All but `first`: lock. */
struct transfer_cache {
    struct spinlock lock;
    size_t count;
    size_t fewest; /* that waited at a time since the last transfer_cache_trim() */
    size_t capacity;
    void **objects;
    void **first; /* the array in boot memory */
} __attribute__((__aligned__(64)));

size_t transfer_caches_boot_bytes(void);
void transfer_caches_init(struct boot_memory *boot);

/* What the longer arrays may hold together on a machine with this much memory. */
void transfer_caches_set_budget(size_t memory_bytes);

/* Up to `count` objects, from here or from the central list; 0 only when memory is gone. */
size_t transfer_cache_alloc(unsigned size_class, size_t count, void *objects[]);

void transfer_cache_free(unsigned size_class, size_t count, void *const objects[]);

/* Sends everything on to the central list; the cache is as short as at first. */
void transfer_cache_drain(unsigned size_class);

/* Sends on to the central list what was not needed since the last call. */
void transfer_cache_trim(unsigned size_class);

/* How many objects wait here. */
size_t transfer_cache_count(unsigned size_class);

#endif
