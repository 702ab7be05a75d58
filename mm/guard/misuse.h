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
 *     at a slot that is not handed out      double free
 */
#ifndef MM_GUARD_MISUSE_H
#define MM_GUARD_MISUSE_H

#include <stddef.h>

/*
 * Stops with a report on `address`, which was passed to `operation` ("free", "usable size", ...)
 * and is not a live object. Any context; does not return.
 */
_Noreturn void misuse_stop(const char *operation, const void *address);

/* Stops: the object lives, but not with the size that was said. */
_Noreturn void misuse_stop_size(const void *address, size_t said_bytes, size_t object_bytes);

#endif
