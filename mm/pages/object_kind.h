/* SPDX-License-Identifier: MIT */
/*
 * Kinds of objects: one table of operations for each, for everything that the fast path does not
 * do.
 *
 * The page map gives cache id 0, the sentinel, for all that has no magazine, and the fast path
 * leaves it alone. Then the kind decides. It stands in the span; memory outside the arenas has one
 * if it is registered as a range (guard pages). All other addresses have the foreign kind, whose
 * operations report misuse. The slow paths of free, realloc, usable size and sized free,
 * quarry_verify() and the reports of misuse call through these tables. So a new kind is a value of
 * enum span_kind and one file that registers its table.
 *
 * Owner: quarry_init() registers the plain kinds. An optional kind registers itself when the kernel
 * first uses it; so one that is not used is not linked. Tables and ranges are never removed; they
 * are forgotten by the next quarry_init().
 */
#ifndef MM_PAGES_OBJECT_KIND_H
#define MM_PAGES_OBJECT_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/pages/span.h"

/* A request on its way through the slow paths. */
struct object_request {
    size_t bytes;       /* as asked for */
    size_t alignment;   /* a power of two */
    unsigned cache_id;  /* 0: the request has no magazine */
    unsigned flags;     /* of quarry_alloc_with() */
    const void *caller; /* the instruction behind the program's call, for reports */
};

/*
 * Any address of the kind's memory may be passed, with its span (NULL in a range). An operation
 * that gets a live object's start works on it; anything else is misuse and stops with a report,
 * which names `operation`.
 */
struct object_kind {
    void (*free)(struct span *span, void *object, const void *caller);

    /* The bytes that the program may use. */
    size_t (*usable_bytes)(struct span *span, const void *object, const char *operation);

    /* Whether a request for `bytes` can have returned the live object. For sized frees. */
    bool (*fits)(struct span *span, const void *object, size_t bytes);

    /* Gives the live object `bytes` bytes where it is. False: not possible, and nothing changed. */
    bool (*resize)(struct span *span, void *object, size_t bytes);

    /* May be NULL. What the kind checks beyond span_verify(); stops if it is wrong. No other CPU
     * may be inside. */
    void (*verify)(struct span *span);

    /* Stops with a report on an address that is not a live object's start. Does not return. */
    void (*report)(struct span *span, const void *address, const char *operation);
};

/* Forgets all kinds and ranges. `foreign` is the kind of memory that has no other: foreign
 * addresses and free pages. */
void object_kinds_init(const struct object_kind *foreign);

void object_kind_register(enum span_kind kind, const struct object_kind *operations);

/* Memory outside the arenas, `bytes` bytes from `base` on, has objects of this kind. At most
 * OBJECT_RANGES_MAX ranges; more is a bug, and stops. */
#define OBJECT_RANGES_MAX 4u
void object_kind_register_range(const struct object_kind *operations, uintptr_t base, size_t bytes);

/* By span kind; written by object_kind_register() only. */
extern const struct object_kind *object_kinds[SPAN_KINDS];

static inline const struct object_kind *object_kind_of(const struct span *span)
{
    return object_kinds[span->kind];
}

/* The kind of an address that is in no span: of the range that contains it, else the foreign kind.
 * Any context. */
const struct object_kind *object_kind_of_range(const void *address);

/* The kind of the memory at an address, and its span, NULL if it is in none. Any context; a hint
 * unless a live object is there. */
static inline const struct object_kind *object_kind_at(const void *address, struct span **span)
{
    *span = span_of_address(address);
    return likely(*span != NULL) ? object_kind_of(*span) : object_kind_of_range(address);
}

#endif
