/* SPDX-License-Identifier: MIT */
/*
 * The sampler: lets an optional allocator serve one allocation in N.
 *
 * Allocations that miss the CPU's cache are sampled, so the fast path has no extra check. A miss
 * counts as as many allocations as the cache is filled with. The optional allocator (guard pages)
 * registers itself when it starts; the slow path knows only this struct, so a kernel that does not
 * start one does not link it.
 *
 * All fields but set_access and seed are read and written by any CPU: atomic.
 */
#ifndef MM_DEBUG_SAMPLER_H
#define MM_DEBUG_SAMPLER_H

#include <quarry/port.h>

#include "lib/atomic.h"
#include "lib/bits.h"
#include "mm/pages/object_kind.h"

/* An object for the request at a multiple of `alignment`; NULL if this allocator cannot serve it.
 */
typedef void *sampler_alloc(const struct object_request *request, size_t alignment);

struct sampler {
    unsigned every;       /* one allocation in so many; 0: off */
    long countdown;       /* allocations until the next sample */
    sampler_alloc *alloc; /* valid while `every` is not 0; NULL: never started */
    size_t live;          /* sampled objects that are not freed */

    /* Of the setup; written by quarry_init() only. */
    void (*set_access)(void *page, bool accessible);
    uint64_t seed;
};

extern struct sampler sampler;

void sampler_init(const struct quarry_setup *setup);

/* Whether a sample is due, now that `allocations` more are made. */
static inline bool sampler_is_due(unsigned allocations)
{
    if (likely(atomic_load_acquire(&sampler.every) == 0))
        return false;
    return atomic_fetch_sub(&sampler.countdown, (long)allocations) <= (long)allocations;
}

#endif
