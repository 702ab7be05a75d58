/* SPDX-License-Identifier: MIT */
/*
 * Large objects: more than the largest size class, or aligned beyond a page. Each is a span of its
 * own, from the page heap or, beyond 2 MiB, from contiguous frames, and goes back when freed.
 */
#ifndef MM_PAGES_LARGE_H
#define MM_PAGES_LARGE_H

#include <stdbool.h>
#include <stddef.h>

struct span;

void large_init(void);

/* At least `bytes` (1 or more) at a multiple of `alignment` bytes; NULL when there is no memory.
 * `caller`: the instruction behind the program's call, for reports. */
void *large_alloc(size_t bytes, size_t alignment, const void *caller);

/* `object` is a live large object; stops with a report if it is not. */
void large_free(void *object, const void *caller);

/* The span of a live large object; stops, with a report on `operation`, if it is not one. */
struct span *large_span(const char *operation, const void *object);

size_t large_usable_bytes(const struct span *span);

/* Gives the object the pages that `bytes` need, where it stands; false if that cannot be. */
bool large_resize(struct span *span, size_t bytes);

struct large_stats {
    size_t objects;
    size_t pages;
};

struct large_stats large_stats(void);

#endif
