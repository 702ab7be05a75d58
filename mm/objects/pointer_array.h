/* SPDX-License-Identifier: MIT */
/*
 * Arrays of pointers in 2^order frames of their own. Magazines and transfer caches grow into them,
 * one order at a time.
 *
 * An array does not know its length: the order follows from the number of words that its owner
 * uses. No lock: an array belongs to its owner.
 */
#ifndef MM_OBJECTS_POINTER_ARRAY_H
#define MM_OBJECTS_POINTER_ARRAY_H

#include <stddef.h>

#include "mm/frames/frames.h"

/* Words of an array of 2^order frames. */
static inline size_t pointer_array_words(unsigned order)
{
    return (FRAME_BYTES << order) / sizeof(void *);
}

/* The lowest order whose array has `words` words. */
static inline unsigned pointer_array_order(size_t words)
{
    unsigned order = 0;
    while (pointer_array_words(order) < words)
        order++;
    return order;
}

/* Contents undefined; NULL when there are no frames. */
static inline void **pointer_array_alloc(unsigned order)
{
    size_t frame = frames_alloc(frame_node_here(), order);
    return frame != NO_FRAME ? frame_address(frame) : NULL;
}

static inline void pointer_array_free(void **array, unsigned order)
{
    frames_free(frame_at(array), order);
}

#endif
