/* SPDX-License-Identifier: MIT */
/*
 * Cache ids: the identity of a list of free objects.
 *
 * An id names one magazine in each CPU's cache, one transfer cache and one central list. The page
 * map has the id of each page, so the free of any object finds its magazine in constant time.
 *
 *     0                      the sentinel: it always misses, and the object's kind decides
 *     1 .. SIZE_CLASS_COUNT-1    the plain size classes, with the numbers of size_class.h
 *     above                  further caches, created when they are first needed (cache_create.h):
 *                            object caches, partitions, stacks. QUARRY_EXTRA_CACHES of them have
 *                            room in the CPU's block.
 *     FRAME_MAGAZINE         not an id of objects: the magazine of single frames (frame_cache.h)
 *
 * What an id's objects look like is its shape. The shape of a plain id is that of its size class.
 *
 * Owner: the shape of an id is written once, before cache_id_count() covers the id, and never
 * changes. Ids are not destroyed.
 */
#ifndef MM_OBJECTS_CACHE_ID_H
#define MM_OBJECTS_CACHE_ID_H

#include <stddef.h>
#include <stdint.h>

#include <quarry/config.h>
#include <quarry/port.h>

#include "lib/atomic.h"
#include "mm/objects/size_class.h"

#define CACHE_IDS (SIZE_CLASS_COUNT + QUARRY_EXTRA_CACHES)

_Static_assert(SIZE_CLASS_COUNT == QUARRY_PLAIN_CACHES, "quarry/port.h counts the size classes");
_Static_assert(CACHE_IDS + 1 == QUARRY_MAGAZINES, "each id and the frames have a magazine");
_Static_assert(CACHE_IDS <= UINT16_MAX, "the page map's entries hold an id");

/* Objects moved between caches at a time: 32 KiB of them, 2 to 32; one if they have a span each. */
#define CACHE_BATCH_MAX 32u
#define CACHE_BATCH_BYTES ((size_t)32 * 1024)

/* Bytes of objects that one magazine holds at most, as far as its longest array has places. */
#define MAGAZINE_BYTES_MAX ((size_t)4 << 20)

struct cache_shape {
    uint32_t object_bytes;
    uint16_t span_pages;
    uint16_t magazine_max;  /* objects that one CPU caches at most */
    uint16_t first_place;   /* of its first array, in words into the CPU's area; plain ids only */
    uint8_t magazine_first; /* places in that array; 0: the first array comes with the first miss */
    uint8_t batch;          /* objects moved between caches at a time; at most CACHE_BATCH_MAX */
};

extern struct cache_shape cache_shapes[CACHE_IDS];

/* Ids 0 to this less one exist; grows. */
extern unsigned cache_ids_created;

static inline unsigned cache_id_count(void)
{
    return atomic_load_acquire(&cache_ids_created);
}

/* The shape for objects of this size in spans of this length; `first_place` is left 0. */
struct cache_shape cache_shape_for(size_t object_bytes, size_t span_pages);

/* Only the plain ids exist. */
void cache_ids_init(void);

/* Words of the area that has the first arrays of all plain ids' magazines, sentinels included. */
size_t cache_area_words(void);

#endif
