/* SPDX-License-Identifier: MIT */
/*
 * Spans: runs of pages with one purpose, and the bitmap of the objects in them.
 *
 * A small span is cut into slots of one size class. A set bit in its bitmap is a slot that has
 * been handed out: to a program, or to a cache on its way there or back. So a slot that comes
 * back with its bit clear was freed twice. A large span is one object and has no slots.
 *
 * States, and who owns a span in each:
 *
 *     small, on its central list   the central list; its lock guards link, used_slots, bitmap,
 *                                  search_from, list
 *     small, in nobody's list      the CPU that has just made it, or is about to destroy it
 *     large                        whoever holds the object; pages: the page heap's lock
 *
 * first_page, object_bytes, size_class and slots never change while the span exists.
 *
 * From level 1 of hardening on, a second bitmap says which slots are *live*: with a program, and
 * not in a cache on the way there or back. Its words are atomic, for objects are allocated and
 * freed without any lock; a slot that is freed while it is not live is freed twice, and that is
 * seen at once. Live slots are a part of those handed out.
 *
 * Invariant of a small span: used_slots = set bits of the first `slots` bits; further bits are 0.
 *
 * Descriptors are out of band, in three lengths of bitmap, so that they stay near 1% of a span.
 */
#ifndef MM_PAGES_SPAN_H
#define MM_PAGES_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/config.h>

#include "lib/list.h"
#include "lib/random.h"
#include "mm/pages/page_map.h"

enum span_list {
    SPAN_ON_NO_LIST,
    SPAN_PARTIAL, /* some slots are free */
    SPAN_FULL,    /* none is */
    SPAN_LARGE,   /* a large object that lives; swapped away by the one free that counts */
};

/* What level 2 knows of an object. Whoever has the object, or is freeing it, writes. */
struct object_record {
    const void *allocated_by; /* the instruction behind the call; NULL: never */
    const void *freed_by;     /* the same; NULL: not since it was allocated */
    size_t bytes;             /* as asked for */
    size_t mark;              /* see quarry_leak_mark() */
};

struct span {
    struct list link;
    size_t first_page;
    size_t pages;
    uint32_t object_bytes; /* 0: a large span */
    uint16_t slots;
    uint16_t used_slots;
    uint8_t size_class;  /* 0: a large span */
    uint8_t list;        /* an enum span_list */
    uint8_t pool;        /* which length of descriptor this is */
    uint8_t search_from; /* no slot is free in the bitmap's words before this one */
#if QUARRY_HARDEN
    struct object_record record;   /* level 2: of a large object */
    struct object_record *records; /* level 2: of each slot; NULL for a large span */
#endif
    uint64_t bitmap[]; /* (slots + 63) / 64 words; from level 1 on as many again: `live` */
};

_Static_assert(QUARRY_HARDEN || sizeof(struct span) == 48,
               "with a bitmap of 512 bits, two cache lines");

#define SPAN_SLOTS_MAX 4096u
#define SPAN_PAGES_SMALL_MAX 256u

/* Prepares the descriptor pools; they take no memory yet. */
void span_init(void);

/*
 * A span of `pages` pages cut into slots of `object_bytes`, all free. The page map does not tell
 * its class before span_publish(). NULL when there is no memory.
 */
struct span *span_create_small(unsigned size_class, size_t object_bytes, size_t pages);

/* From now on the page map tells the span's class for its pages. */
void span_publish(const struct span *span);

/* A span that is one object, at a multiple of `align` pages. NULL when there is no memory. */
struct span *span_create_large(size_t pages, size_t align);

/* Gives pages and descriptor back. The span is on no list and no slot of it is handed out. */
void span_destroy(struct span *span);

/* A large span with a new length, at the same place; false, with nothing changed, if it cannot. */
bool span_resize(struct span *span, size_t pages);

/* The span around an address, NULL if there is none. A hint, unless a live object is there. */
struct span *span_of_address(const void *address);

static inline uintptr_t span_address(const struct span *span)
{
    return page_address(span->first_page);
}

/* ---- slots of small spans; the owner calls ---- */

/* Hands out up to `count` free slots, lowest first; returns how many. */
size_t span_alloc_slots(struct span *span, size_t count, void *objects[]);

/* The same in random order, each slot drawn from a word of the bitmap that is drawn as well. */
size_t span_alloc_random_slots(struct span *span, struct random *random, size_t count,
                               void *objects[]);

/* The number of the slot that begins at `object`; `slots` where none begins there. */
unsigned span_slot_of(const struct span *span, const void *object);

static inline bool span_slot_used(const struct span *span, unsigned slot)
{
    return span->bitmap[slot / 64] >> (slot % 64) & 1;
}

static inline uintptr_t span_slot_address(const struct span *span, unsigned slot)
{
    return span_address(span) + (uintptr_t)slot * span->object_bytes;
}

/* Takes a slot back, whose bit is set. */
void span_free_slot(struct span *span, unsigned slot);

/* ---- what levels 1 and 2 of hardening know (span_hardened.c) ---- */

static inline size_t span_bitmap_words(unsigned slots)
{
    return (slots + 63) / 64;
}

#if QUARRY_HARDEN
/* Any CPU. The last two return whether the slot was live before. */
bool span_slot_is_live(const struct span *span, unsigned slot);
bool span_slot_set_live(struct span *span, unsigned slot);
bool span_slot_clear_live(struct span *span, unsigned slot);

/* Level 2: memory for the records of a new span's slots. False: there is none. */
bool span_records_create(struct span *span);
void span_records_destroy(struct span *span);

/* The record of the object in a slot, or of a large one; NULL below level 2. */
struct object_record *span_record(struct span *span, unsigned slot);
#else
static inline bool span_records_create(const struct span *span)
{
    (void)span;
    return true;
}

static inline void span_records_destroy(const struct span *span)
{
    (void)span;
}
#endif

/* ---- figures ---- */

void span_drain_pools(void);
void span_verify(const struct span *span);
void span_verify_pools(void);

#endif
