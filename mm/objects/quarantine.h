/* SPDX-License-Identifier: MIT */
/*
 * Quarantine, from level 1 of hardening on: freed objects wait before they may be used again.
 *
 * Each CPU has a ring of QUARRY_QUARANTINE_OBJECTS objects. What is freed takes the place of the
 * oldest, which goes the usual way: so an object comes back no sooner than that many frees later on
 * this CPU, and a write after the free finds poison and not somebody else's object. Large classes
 * pass by, for they would hold too much memory.
 *
 * An object in here is not live, and counts as cached. Who owns a ring: its CPU, with interrupts
 * off, as for the cache (cpu_cache.h), with which it comes and goes.
 */
#ifndef MM_OBJECTS_QUARANTINE_H
#define MM_OBJECTS_QUARANTINE_H

#include <stddef.h>

#include "mm/objects/cpu_cache.h"

/* Takes a freed small object and returns one that has waited for long; NULL: none has yet. */
void *quarantine_exchange(void *object);

/* Sends all that wait on to the central lists. The cache is this CPU's, with interrupts off, or a
 * dead one's. */
void quarantine_drain(struct cpu_cache *cache);

/* Objects of a class that wait. Exact while the cache's CPU is not inside Quarry. */
size_t quarantine_held(const struct cpu_cache *cache, unsigned size_class);

#endif
