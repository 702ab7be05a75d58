/* SPDX-License-Identifier: MIT */
/*
 * Reports of misuse: what is wrong with a bad pointer or with overwritten bytes.
 *
 * The caller only knows that something does not fit. The report distinguishes kinds of misuse, as
 * illumos' kmem does, by what the page map and the span know of the address:
 *
 *     not in any arena                      foreign pointer
 *     in an arena, in no span               free memory: freed already, or never allocated
 *     in a large object, not at its start   interior pointer
 *     in a small span, at no slot's start   interior pointer (or unaligned, below 8 bytes)
 *     at a slot that is not allocated       double free, or never allocated (level 2 distinguishes)
 *
 * Each report says what happened, in which call it was seen, where, and which object it is; at
 * level 2 of hardening also who allocated and who freed it. Other kinds report on themselves
 * (object_kind.h).
 */
#ifndef MM_DEBUG_MISUSE_H
#define MM_DEBUG_MISUSE_H

#include <stddef.h>

struct span;

/*
 * Stops with a report on `address`, which was passed to `operation` ("free", "usable size", ...)
 * and is not the start of a live object. `span`: the span that the caller found there; NULL: none.
 * Any context; does not return.
 */
_Noreturn void misuse_stop(const char *operation, const void *address, struct span *span);

/* The reports of the two plain kinds of spans; struct object_kind has them. */
_Noreturn void misuse_report_small(struct span *span, const void *address, const char *operation);
_Noreturn void misuse_report_large(struct span *span, const void *address, const char *operation);

/* Stops: the object is live, but was freed with a wrong size. */
_Noreturn void misuse_stop_size(const void *address, size_t said_bytes, size_t object_bytes);

enum violation {
    VIOLATION_OVERFLOW,       /* bytes behind an object's end have changed */
    VIOLATION_UNDERFLOW,      /* bytes before its start have changed */
    VIOLATION_USE_AFTER_FREE, /* bytes of a freed object have changed */
};

/* Stops: `byte` in or beside the object in `slot` of `span` (0 for a large one) was overwritten. */
_Noreturn void misuse_stop_written(const char *operation, enum violation violation,
                                   struct span *span, unsigned slot, const unsigned char *byte);

/* Adds a line with the bytes around `byte`, which is marked. [first, last] is readable. */
void misuse_add_bytes(const unsigned char *byte, const unsigned char *first,
                      const unsigned char *last);

#endif
