/* SPDX-License-Identifier: MIT */
/*
 * Spans: runs of pages with one purpose, and the bitmap of the objects in them.
 *
 * The span's kind says what the pages are and who answers for their objects (object_kind.h). A
 * small span is cut into slots of one size. A set bit in its bitmap is a slot that is allocated: to
 * a program, or to a cache. So a slot that is freed while its bit is clear is freed twice. A large
 * span is one object and has no slots.
 *
 * States, and the owner of a span in each:
 *
 *     small, on its central list   the central list; its lock guards link, used_slots, bitmap,
 *                                  search_from, state
 *     small, unlisted              the CPU that creates or destroys it
 *     large                        the owner of the object
 *
 * first_page, object_bytes, cache_id, kind and slots never change while the span exists.
 *
 * From level 1 of hardening on, a second bitmap says which slots are *live*: with a program, and
 * not in a cache. Its words are atomic, because objects are allocated and freed without a lock. A
 * slot that is freed while it is not live is freed twice, which is seen at once. Each live slot is
 * also allocated.
 *
 * Invariant of a small span: used_slots = set bits of the first `slots` bits; further bits are 0.
 *
 * Descriptors are out of band and have one of three lengths of bitmap. So a descriptor is at most
 * 0.6% of its span, except for objects of 8, 16 and 24 bytes (1.8%, 0.9%, 0.7%); see
 * mm/objects/size_class_table.h.
 */
#ifndef MM_PAGES_SPAN_H
#define MM_PAGES_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/config.h>

#include "lib/list.h"
#include "lib/random.h"
#include "mm/pages/arena.h"
#include "mm/pages/page_map.h"

enum span_kind {
    SPAN_SMALL, /* slots of one cache id */
    SPAN_LARGE, /* one object */
    SPAN_KINDS
};

enum span_state {
    SPAN_UNLISTED,
    SPAN_PARTIAL,  /* on its central list; some slots are free */
    SPAN_FULL,     /* on its central list; no slot is free */
    SPAN_ALLOCATED /* a live large object; the free that exchanges this away frees it */
};

/* What level 2 records of an object. Written by the object's owner and by its free. */
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
    uint16_t cache_id;   /* the magazine, transfer cache and central list of its objects; 0: none */
    uint8_t kind;        /* an enum span_kind */
    uint8_t state;       /* an enum span_state */
    uint8_t pool;        /* which length of descriptor this is */
    uint8_t search_from; /* no slot is free in the bitmap's words before this one */
#if QUARRY_HARDEN
    struct object_record record;   /* level 2: of a large object */
    struct object_record *records; /* level 2: of each slot; NULL for a large span */
#endif
    uint64_t bitmap[]; /* (slots + 63) / 64 words; from level 1 on as many again: `live` */
};

/* Slots of a span that each of the three descriptors has bits for. The first takes two cache lines
 * with its bitmap at level 0. mm/objects/size_classes.py reads these. */
#define SPAN_SLOTS_SHORT 512u
#define SPAN_SLOTS_MEDIUM 1024u
#define SPAN_SLOTS_MAX 4096u

_Static_assert(QUARRY_HARDEN || sizeof(struct span) + SPAN_SLOTS_SHORT / 8 <= 128,
               "the short descriptor takes two cache lines");
_Static_assert(SPAN_SLOTS_MAX / 64 <= UINT8_MAX, "search_from is the number of any word");

/* Prepares the descriptor pools; they take no memory yet. */
void span_init(void);

/*
 * A span of `pages` pages cut into slots of `object_bytes`, all free. The page map has the id only
 * after span_publish(). NULL when there is no memory.
 */
struct span *span_create_small(unsigned cache_id, size_t object_bytes, size_t pages);

/* Writes the span's cache id to the page map. */
void span_publish(const struct span *span);

/* A span that is one object, at a multiple of `align` pages. NULL when there is no memory. */
struct span *span_create_large(size_t pages, size_t align);

/* Frees pages and descriptor. The span is on no list, and none of its slots is allocated. */
void span_destroy(struct span *span);

/* Changes the length of a large span in place. False: not possible, and nothing is changed. */
bool span_resize(struct span *span, size_t pages);

/* The span that contains an address, NULL if there is none. A hint unless a live object is
 * there. */
static inline struct span *span_of_address(const void *address)
{
    return arena_span(page_of_address(address));
}

static inline uintptr_t span_address(const struct span *span)
{
    return page_address(span->first_page);
}

/* ---- slots of small spans; the span's owner calls ---- */

/* Allocates up to `count` free slots, lowest first; returns how many. */
size_t span_alloc_slots(struct span *span, size_t count, void *objects[]);

/* The same in random order: draws a word of the bitmap, then a slot in it. */
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

/* Frees an allocated slot. */
void span_free_slot(struct span *span, unsigned slot);

/* ---- levels 1 and 2 of hardening (span_hardened.c) ---- */

static inline size_t span_bitmap_words(unsigned slots)
{
    return (slots + 63) / 64;
}

#if QUARRY_HARDEN
/* Any CPU may call these. The last two return whether the slot was live before. */
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

/* Frees the empty pages of the descriptor pools; returns how many. */
size_t span_drain_pools(void);
void span_verify(const struct span *span);
void span_verify_pools(void);

#endif
