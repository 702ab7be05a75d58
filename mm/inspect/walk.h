/* SPDX-License-Identifier: MIT */
/*
 * The walk over the heap: every span, and every slot of it.
 *
 * It goes over all pages of all arenas by the page map, so it needs no list of spans or objects,
 * and reaches spans of every kind. Leaks and the verification of the heap use it, and so can any
 * later tool that visits all objects.
 *
 * Context. No other CPU may be inside Quarry, nor a handler on this one: spans must not be created
 * or destroyed meanwhile. It takes no lock and allocates nothing. Time: in proportion to the memory
 * in use.
 */
#ifndef MM_INSPECT_WALK_H
#define MM_INSPECT_WALK_H

#include "mm/pages/span.h"

/* Called in the order of addresses. Either function may be NULL. */
struct heap_visitor {
    void (*span)(void *context, struct span *span);
    void (*slot)(void *context, struct span *span, unsigned slot); /* of small spans, used or not */
    void *context;
};

void heap_walk(const struct heap_visitor *visitor);

#endif
