/* SPDX-License-Identifier: MIT */
/*
 * Central lists: per size class, the spans from which all CPUs' objects come.
 *
 * A span is on `partial` while some of its slots are free, on `full` while none is. Objects are
 * taken from the front of `partial` until that span is full. A span that was full and gets its
 * first slot back goes to the front, and one that falls to half goes to the back: so the full
 * stay full and the emptying run empty. A span whose last object comes back is destroyed, unless
 * it is the only partial one: that one is kept against the next need, or a single object that
 * comes and goes would make and destroy a span each time.
 *
 * Here every object that comes back is looked at: it must lie at the start of a slot that is
 * handed out, of this class; anything else is misuse and stops.
 *
 * Locking: one lock per class, on cache lines of its own, over everything here and over the slots
 * of its spans (span.h). Spans are made and destroyed without it.
 */
#ifndef MM_OBJECTS_CENTRAL_LIST_H
#define MM_OBJECTS_CENTRAL_LIST_H

#include <stddef.h>

#include "lib/list.h"
#include "lib/random.h"
#include "lib/spinlock.h"

/* spans, slots, used_slots and pages are sums over both lists; all fields: lock. */
struct central_list {
    struct spinlock lock;
    struct list partial;
    struct list full;
    struct random random; /* from level 1 of hardening on: which slot is next */
    size_t spans;
    size_t slots;
    size_t used_slots;
    size_t pages;
    size_t takings;      /* how often objects were taken or given: what the transfer cache spares */
    size_t takings_seen; /* by the scavenger's last step */
} __attribute__((__aligned__(64)));

/* `seed` is for the order of slots, from level 1 of hardening on. */
void central_lists_init(uint64_t seed);

/*
 * Up to `count` objects (at least one, unless memory is gone) into `objects`; returns how many.
 * No lock is held.
 */
size_t central_list_alloc(unsigned size_class, size_t count, void *objects[]);

/* Takes objects of this class back; stops at one that is not a handed-out slot of it. */
void central_list_free(unsigned size_class, size_t count, void *const objects[]);

/* Destroys the empty spans that were kept. */
void central_list_drain(unsigned size_class);

/* A step of the scavenger: the same, if nothing was taken or given since the last one. */
void central_list_drain_if_idle(unsigned size_class);

/* The list's sums, read under its lock. */
struct central_list_sums {
    size_t spans;
    size_t slots;
    size_t used_slots;
    size_t pages;
    size_t takings;
};

struct central_list_sums central_list_sums(unsigned size_class);

void central_list_verify(unsigned size_class);

#endif
