/* SPDX-License-Identifier: MIT */
/*
 * Sampled guard pages: a few objects, each alone on a page between two inaccessible pages.
 *
 *      page  0     1        2     3        4            2n
 *          guard  object  guard  object  guard  ...   guard
 *
 * The pages are frames in a row, allocated when sampling starts. They are not in an arena: the page
 * map has the sentinel for them, and the free of an object reaches its kind, which is registered
 * for this range (object_kind.h), without a test on the fast path. The sampler (sampler.h) chooses
 * the allocations.
 *
 * An object stands at the end of its page, so that an overflow faults, or at the start, so that an
 * underflow does: at random, and as its alignment allows. The rest of the page has a pattern that
 * is checked when the object is freed. A freed page is inaccessible until it is reused; the page
 * that was freed first is reused first.
 *
 * Locking: guard_pages.lock guards all fields; `base` is also read without it. The port's
 * set_access is called under it.
 *
 * Sources: KFENCE (Elver et al., Linux 5.12), GWP-ASan (Serebryany et al., 2023).
 */
#ifndef MM_DEBUG_GUARD_PAGES_H
#define MM_DEBUG_GUARD_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/config.h>

#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/random.h"
#include "lib/spinlock.h"
#include "mm/debug/call_stack.h"
#include "mm/debug/sampler.h"
#include "mm/frames/frame.h"

#define GUARD_OBJECT_BYTES_MAX FRAME_BYTES

enum guarded_state { GUARDED_UNUSED, GUARDED_LIVE, GUARDED_FREED };

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
    uintptr_t base;          /* of the pages; 0: none yet */
    struct guarded *objects; /* QUARRY_GUARD_OBJECTS */
    uint64_t turns;          /* frees so far */
    struct random random;
};

extern struct guard_pages guard_pages;

#define GUARD_PAGES (2 * (size_t)QUARRY_GUARD_OBJECTS + 1)

/* Whether the address is in the pages. Any context. `base` is of an earlier quarry_init() until the
 * sampler is started again. */
static inline bool guard_pages_have(const void *address)
{
    uintptr_t base = atomic_load_acquire(&guard_pages.base);
    return sampler.alloc != NULL && (uintptr_t)address - base < GUARD_PAGES * FRAME_BYTES;
}

#endif
