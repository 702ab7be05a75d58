/* SPDX-License-Identifier: MIT */
/*
 * Large objects: larger than the largest size class, or aligned beyond a page.
 *
 * Each is a span of its own, from the page heap or, beyond 2 MiB, from contiguous frames. Its pages
 * are free as soon as it is freed.
 *
 * Locking: none here. The span's state is exchanged by the free, so of two frees one fails.
 */
#ifndef MM_KINDS_LARGE_H
#define MM_KINDS_LARGE_H

#include <stdbool.h>
#include <stddef.h>

#include "mm/pages/object_kind.h"

/* Registers the kind. */
void large_init(void);

/* Whether the machine has as much memory as the request needs, free or not. */
bool large_is_possible(const struct object_request *request);

/* At least 1 byte, at a multiple of the request's alignment; NULL when there is no memory. */
void *large_alloc(const struct object_request *request);

struct large_stats {
    size_t objects;
    size_t pages;
};

/* Sums over all live large objects. */
struct large_stats large_stats(void);

#endif
