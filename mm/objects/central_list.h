/* SPDX-License-Identifier: MIT */
/*
 * Central lists: per cache id, the spans from which all CPUs' objects come.
 *
 * A span is on `partial` while some of its slots are free, and on `full` while none is. Objects are
 * allocated from the first span of `partial` until it is full. A full span whose first slot is
 * freed goes to the front, and a span that falls to half goes to the back. So full spans stay full,
 * and nearly empty ones become empty. A span whose last object is freed is destroyed, unless it is
 * the only partial span: it is kept, because a single object that is allocated and freed in turn
 * would create and destroy a span each time.
 *
 * Each object that is freed here is checked: it must be the start of an allocated slot of this id.
 * Anything else is misuse and stops.
 *
 * Locking: one lock per id, on cache lines of its own, guards all fields here and the slots of the
 * list's spans (span.h). Spans are created and destroyed without it.
 */
#ifndef MM_OBJECTS_CENTRAL_LIST_H
#define MM_OBJECTS_CENTRAL_LIST_H

#include <stddef.h>

#include "lib/list.h"
#include "lib/random.h"
#include "lib/spinlock.h"

struct span;

/*
 * spans, slots, used_slots and pages are sums over both lists. `kept` is the only empty span on
 * `partial`, or NULL: so a drain needs no search. All fields: lock.
 */
struct central_list {
    struct spinlock lock;
    struct list partial;
    struct list full;
    struct span *kept;
    struct random random; /* from level 1 of hardening on: chooses the next slot */
    size_t spans;
    size_t slots;
    size_t used_slots;
    size_t pages;
    size_t transactions; /* calls that allocate or free: lock acquisitions that the transfer cache
                            did not absorb */
    size_t transactions_seen; /* by the scavenger's last step */
} __attribute__((__aligned__(64)));

/* The lists of all ids, empty. `seed` is for the order of slots, from level 1 of hardening on. */
void central_lists_init(uint64_t seed);

/*
 * Up to `count` objects (at least one, unless there is no memory) into `objects`; returns how many.
 * No lock is held.
 */
size_t central_list_alloc(unsigned cache_id, size_t count, void *objects[]);

/* Frees objects of this id; stops at one that is not an allocated slot of it. */
void central_list_free(unsigned cache_id, size_t count, void *const objects[]);

/* Destroys the empty span that was kept, if there is one. */
void central_list_drain(unsigned cache_id);

/* A step of the scavenger: the same, if there was no transaction since the last step. */
void central_list_drain_if_idle(unsigned cache_id);

/* The list's sums, read under its lock. */
struct central_list_sums {
    size_t spans;
    size_t slots;
    size_t used_slots;
    size_t pages;
    size_t transactions;
};

struct central_list_sums central_list_sums(unsigned cache_id);

/* Whether the spans on both lists agree with the sums; stops if not. */
void central_list_verify(unsigned cache_id);

#endif
