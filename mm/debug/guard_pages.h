/* SPDX-License-Identifier: MIT */
/*
 * Sampled guard pages: a few objects, each alone on a page between two that cannot be accessed.
 *
 *      page  0     1        2     3        4            2n
 *          guard  object  guard  object  guard  ...   guard
 *
 * The pages are frames in a row, taken when sampling starts, and never the heap's: the page map
 * says class 0 for them, the door, so a free finds its way here without any test on the fast path.
 * Which allocations are guarded is decided where one misses the CPU's cache: each miss counts as
 * many allocations as the cache was filled with.
 *
 * An object stands at the end of its page, so that an overflow faults, or at the start, so that an
 * underflow does; at random, and as far as its alignment lets it. The rest of the page has a
 * pattern that is looked at when the object is freed. A page that was freed cannot be accessed
 * until it is its turn again, the longest freed one first.
 *
 * Locking: guard_pages.lock over all fields; `every` and `base` are read without it. The port's
 * set_access is called under it.
 *
 * Sources: KFENCE (Elver et al., Linux 5.12), GWP-ASan (Serebryany et al., 2023).
 */
#ifndef MM_GUARD_GUARD_PAGES_H
#define MM_GUARD_GUARD_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/config.h>

#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/random.h"
#include "lib/spinlock.h"
#include "mm/debug/call_stack.h"
#include "mm/frames/frame.h"

#define GUARD_OBJECT_BYTES_MAX FRAME_BYTES

enum guarded_state { GUARDED_NEVER, GUARDED_LIVE, GUARDED_FREED };

struct guarded {
    unsigned char *object;
    size_t bytes; /* as asked for */
    enum guarded_state state;
    uint64_t turn; /* when it was last freed */
    struct call_stack allocated;
    struct call_stack freed;
};

struct guard_pages {
    struct spinlock lock;
    void (*set_access)(void *page, bool accessible); /* NULL: the port has none */
    unsigned every;                                  /* 0: off */
    long countdown;                                  /* allocations until the next; atomic */
    uintptr_t base;                                  /* of the pages; 0: none yet */
    struct guarded *objects;                         /* QUARRY_GUARD_OBJECTS */
    size_t live;
    uint64_t turns;
    struct random random;
};

extern struct guard_pages guard_pages;

void guard_pages_init(void (*set_access)(void *page, bool accessible), uint64_t seed);

/* Whether it is some allocation's turn, now that `allocations` more are made. */
static inline bool guard_pages_due(unsigned allocations)
{
    if (likely(atomic_load_relaxed(&guard_pages.every) == 0))
        return false;
    return atomic_fetch_sub(&guard_pages.countdown, (long)allocations) <= (long)allocations;
}

/* An object of `bytes` bytes (at most GUARD_OBJECT_BYTES_MAX); NULL where no place is free. */
void *guard_pages_alloc(size_t bytes, size_t alignment, const void *caller);

#define GUARD_PAGES (2 * (size_t)QUARRY_GUARD_OBJECTS + 1)

/* Whether the address lies in the pages. Any context. */
static inline bool guard_pages_have(const void *address)
{
    uintptr_t base = atomic_load_acquire(&guard_pages.base);
    return base != 0 && (uintptr_t)address - base < GUARD_PAGES * FRAME_BYTES;
}

/* For an address in the pages: stops where it is no live object. */
void guard_pages_free(void *object, const void *caller);
size_t guard_pages_usable_bytes(const char *operation, const void *object);

size_t guard_pages_live(void);

#endif
