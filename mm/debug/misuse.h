/* SPDX-License-Identifier: MIT */
/*
 * Reports of misuse: one place that looks at a bad pointer and says what is wrong with it.
 *
 * The callers know only that something does not fit. The report tells the kinds of misuse apart,
 * as illumos' kmem does, by looking at what the page map knows of the address:
 *
 *     not in any arena                      foreign pointer
 *     in an arena, in no span               free memory: freed already, or never given
 *     in a large object, not at its start   interior pointer
 *     in a small span, at no slot's start   interior pointer (or unaligned, below 8 bytes)
 *     at a slot that is not handed out      double free, or never given (level 2 can tell)
 *
 * Each report says what happened, in which call it was seen, where, and which object it is; at
 * level 2 of hardening also who allocated and who freed it.
 */
#ifndef MM_GUARD_MISUSE_H
#define MM_GUARD_MISUSE_H

#include <stddef.h>

struct span;

/*
 * Stops with a report on `address`, which was passed to `operation` ("free", "usable size", ...)
 * and is not a live object. Any context; does not return.
 */
_Noreturn void misuse_stop(const char *operation, const void *address);

/* Stops: the object lives, but not with the size that was said. */
_Noreturn void misuse_stop_size(const void *address, size_t said_bytes, size_t object_bytes);

enum misuse_kind {
    MISUSE_BEHIND,     /* bytes behind an object's end have changed */
    MISUSE_BEFORE,     /* bytes before its start have */
    MISUSE_AFTER_FREE, /* bytes of a freed object have */
};

/* Stops: `byte` in or beside the object in `slot` of `span` (0 for a large one) was overwritten. */
_Noreturn void misuse_stop_written(const char *operation, enum misuse_kind kind, struct span *span,
                                   unsigned slot, const unsigned char *byte);

/* A line of the report with the bytes around `byte`, which is marked. [first, last] can be read. */
void misuse_add_bytes(const unsigned char *byte, const unsigned char *first,
                      const unsigned char *last);

#endif
