/* SPDX-License-Identifier: MIT */
/*
 * Size classes: which sizes objects have, and what follows from each.
 *
 * The table is generated (size_classes.py). Class 0 is the door: not a size, but the class of all
 * that the fast path must leave alone.
 */
#ifndef MM_OBJECTS_SIZE_CLASS_H
#define MM_OBJECTS_SIZE_CLASS_H

#include <stddef.h>
#include <stdint.h>

#include <quarry/config.h>

#include "lib/bits.h"
#include "mm/frames/frame.h"
#include "mm/objects/size_class_table.h"

struct size_class {
    uint32_t bytes;
    uint16_t span_pages;
    uint16_t stack_place; /* words into the area of a CPU's first arrays */
    uint16_t cache_slots; /* objects that one CPU caches at most */
    uint8_t first_slots;  /* places in the first array of its stack */
    uint8_t batch;        /* objects moved between caches at a time */
};

extern const struct size_class size_classes[SIZE_CLASS_COUNT];

/*
 * Larger objects are large: they have no class. From level 1 of hardening on that begins where a
 * span holds no more than one object: then its pages leave the page map when it is freed, and
 * whoever still uses it is found at once.
 */
#define SMALL_BYTES_MAX (QUARRY_HARDEN ? SIZE_CLASS_LOOKUP_BYTES_MAX : SIZE_CLASS_BYTES_MAX)

/* Indexed by (bytes + 7) / 8, and by pages, rounded up. */
extern const uint8_t size_class_lookup[SIZE_CLASS_LOOKUP_BYTES_MAX / 8 + 1];
extern const uint8_t size_class_lookup_pages[SIZE_CLASS_BYTES_MAX / FRAME_BYTES + 1];

/* The class for objects of `bytes`; 0 for what is too large to have one. */
static inline unsigned size_class_of(size_t bytes)
{
    if (likely(bytes <= SIZE_CLASS_LOOKUP_BYTES_MAX))
        return size_class_lookup[(bytes + 7) / 8];
    if (bytes <= SMALL_BYTES_MAX)
        return size_class_lookup_pages[divide_up(bytes, FRAME_BYTES)];
    return 0;
}

/*
 * The smallest class whose objects hold `bytes` and all lie at multiples of `alignment` (a power
 * of two); 0 where there is none. Spans begin at page boundaries, so it is enough that the
 * object's size is a multiple.
 */
unsigned size_class_of_aligned(size_t bytes, size_t alignment);

/* What quarry_alloc() promises for a size. */
size_t size_class_alignment(size_t bytes);

/*
 * The class from which a request for `bytes` is served; 0: none. From level 1 of hardening on there
 * must be room for the canary, without a loss of the alignment that the size promises.
 */
unsigned size_class_with_canary(size_t bytes);

static inline unsigned size_class_for(size_t bytes)
{
    return QUARRY_HARDEN ? size_class_with_canary(bytes) : size_class_of(bytes);
}

#endif
