/* SPDX-License-Identifier: MIT */
/*
 * Size classes: the geometry of plain objects. Which sizes exist, and how long their spans are.
 * Pure data and arithmetic, without state.
 *
 * The table is generated (size_classes.py, which explains the choices). Class n is also the cache
 * id n (cache_id.h). Class 0 is the sentinel: not a size, but the class of all requests that have
 * no magazine.
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
};

extern const struct size_class size_classes[SIZE_CLASS_COUNT];

/*
 * Larger objects are large: they have no class. From level 1 of hardening on these are all objects
 * that would have a span each: a freed large object leaves the page map at once, so a later use of
 * its address is found.
 */
#define SMALL_BYTES_MAX (QUARRY_HARDEN ? SIZE_CLASS_LOOKUP_BYTES_MAX : SIZE_CLASS_BYTES_MAX)

/* Indexed by (bytes + 7) / 8, and by pages, rounded up. */
extern const uint8_t size_class_lookup[SIZE_CLASS_LOOKUP_BYTES_MAX / 8 + 1];
extern const uint8_t size_class_lookup_pages[SIZE_CLASS_BYTES_MAX / FRAME_BYTES + 1];

/* The class for objects of `bytes`; 0 if they are too large to have one. */
static inline unsigned size_class_of(size_t bytes)
{
    if (likely(bytes <= SIZE_CLASS_LOOKUP_BYTES_MAX))
        return size_class_lookup[(bytes + 7) / 8];
    if (bytes <= SMALL_BYTES_MAX)
        return size_class_lookup_pages[divide_up(bytes, FRAME_BYTES)];
    return 0;
}

/*
 * The smallest class whose objects have `bytes` bytes and lie at multiples of `alignment` (a power
 * of two); 0 if there is none. Spans begin at page boundaries, so the object's size must be a
 * multiple of the alignment.
 */
unsigned size_class_of_aligned(size_t bytes, size_t alignment);

/* The alignment that quarry_alloc() promises for a size. */
size_t size_class_alignment(size_t bytes);

/*
 * The class for a request of `bytes`; 0: none. From level 1 of hardening on the slot has room for
 * the canary too, and keeps the alignment that the size promises.
 */
unsigned size_class_with_canary(size_t bytes);

static inline unsigned size_class_for(size_t bytes)
{
    return QUARRY_HARDEN ? size_class_with_canary(bytes) : size_class_of(bytes);
}

#endif
