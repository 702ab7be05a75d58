/* SPDX-License-Identifier: MIT */
/*
 * Quarantine, from level 1 of hardening on: freed objects wait before they may be used again.
 *
 * Each CPU has a ring of QUARRY_QUARANTINE_OBJECTS objects. A freed object takes the place of the
 * oldest, which is freed to its magazine. So an object is reused only after this many later frees
 * on the same CPU, and a write after the free finds poison and not another object. Large size
 * classes bypass the ring, which would hold too much memory.
 *
 * An object in the ring is not live and counts as cached. Owner of a ring: its CPU, with interrupts
 * off, as for the cache that it is a part of (cpu_cache.h).
 */
#ifndef MM_OBJECTS_QUARANTINE_H
#define MM_OBJECTS_QUARANTINE_H

#include <stddef.h>

#include <quarry/config.h>

#if QUARRY_HARDEN

struct quarantine {
    void *objects[QUARRY_QUARANTINE_OBJECTS]; /* NULL: an empty place */
    unsigned next;                            /* the place of the oldest */
};

/* Puts the object into the ring; returns the one that it replaces, or NULL. */
void *quarantine_exchange(struct quarantine *quarantine, void *object);

/* Frees all objects to their central lists. */
void quarantine_drain(struct quarantine *quarantine);

/* Objects of an id in the ring. Exact while the CPU is not inside Quarry. */
size_t quarantine_held(const struct quarantine *quarantine, unsigned cache_id);

#else

struct quarantine {
    char unused; /* C has no empty struct */
};

static inline void quarantine_drain(const struct quarantine *quarantine)
{
    (void)quarantine;
}

static inline size_t quarantine_held(const struct quarantine *quarantine, unsigned cache_id)
{
    (void)quarantine, (void)cache_id;
    return 0;
}

#endif
#endif
