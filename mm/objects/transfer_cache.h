/* SPDX-License-Identifier: MIT */
/*
 * Transfer caches: per cache id, free objects on the way from one CPU to another.
 *
 * Where one CPU allocates and another frees, batches of objects meet here: a lock and a copy of a
 * few pointers, and neither the spans nor the objects are touched. Objects that do not fit go to
 * the central list; objects that are missing come from it. (TCMalloc's transfer cache.)
 *
 * The pointers stand in arrays of Quarry's own, never in the objects. A cached object counts as
 * allocated in its span.
 *
 * Capacity. The first array has room for some batches. A full cache grows into an array twice as
 * long, in up to four frames, as long as it holds no more than QUARRY_TRANSFER_BYTES_MAX of
 * objects, and all longer arrays together no more than one part in QUARRY_TRANSFER_SHARE of memory.
 * It shrinks when it is drained or trimmed. At each step of the scavenger the objects that were not
 * needed since the last step go to the central list: as many as the least number that was cached in
 * between. (TCMalloc's low-water mark.)
 *
 * Locking: one lock per id. It is never held while the central list's lock is taken. Frames are
 * allocated and freed under it.
 */
#ifndef MM_OBJECTS_TRANSFER_CACHE_H
#define MM_OBJECTS_TRANSFER_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/spinlock.h"

struct boot_memory;

/* objects[0 .. count) are valid; fewest <= count <= capacity. All but `first`: lock. */
struct transfer_cache {
    struct spinlock lock;
    size_t count;
    size_t fewest; /* the least `count` since the last transfer_cache_trim() */
    size_t capacity;
    void **objects;
    void **first; /* the first array: in boot memory, or a page for ids created later */
} __attribute__((__aligned__(64)));

size_t transfer_caches_boot_bytes(void);

/* The caches of the plain ids. */
void transfer_caches_init(struct boot_memory *boot);

/* The cache of an id that is created later; its shape is set. False: no memory. */
bool transfer_cache_create(unsigned cache_id);

/* Sets what the longer arrays may hold together on a machine with this much memory. */
void transfer_caches_set_budget(size_t memory_bytes);

/* Up to `count` objects, from here or from the central list; 0 only when there is no memory. */
size_t transfer_cache_alloc(unsigned cache_id, size_t count, void *objects[]);

void transfer_cache_free(unsigned cache_id, size_t count, void *const objects[]);

/* Moves all objects to the central list and shrinks the cache to its first array. */
void transfer_cache_drain(unsigned cache_id);

/* Moves the objects that were not needed since the last call to the central list. */
void transfer_cache_trim(unsigned cache_id);

/* The number of cached objects. */
size_t transfer_cache_count(unsigned cache_id);

#endif
