/* SPDX-License-Identifier: MIT */
/*
 * A magazine: the free objects of one cache id on one CPU, as an array between two sentinel words.
 *
 *      bottom                    top                 bottom + capacity + 1
 *        |                        |                     |
 *        0   object ... object  object   (stale) ...   END
 *
 * `top` points at the object that is popped next. A pop reads it: 0 means empty. A push reads the
 * word above: END (QUARRY_MAGAZINE_END) means full. Both are committed by one store to `top`, and
 * no count is kept. So an interrupt before that store finds a whole magazine and leaves a whole
 * one. The tops stand in the CPU's own block (quarry/port.h); pop and push are the port's
 * (quarry_port_pop(), quarry_port_push()). What is here changes many objects, or the array itself.
 *
 * The sentinel is an array of only the two words: empty and full at the same time, so each pop and
 * push misses by the ordinary test. Cache id 0, all ids of a CPU that is offline, and ids that a
 * CPU has not used yet have it.
 *
 * Capacity. A magazine uses no more than its capacity, which is where END stands. Places. Its array
 * has room for `places` objects. A full magazine grows into an array twice as long, but only when
 * an allocation missed: it is empty then, and no object must be moved. It shrinks when it is empty
 * after a drain, or has lost its capacity.
 *
 * Owner: the CPU, with interrupts off, or the CPU that reaps it. See cpu_cache.h.
 */
#ifndef MM_OBJECTS_MAGAZINE_H
#define MM_OBJECTS_MAGAZINE_H

#include <stddef.h>
#include <stdint.h>

#include <quarry/port.h>

#include "lib/bits.h"
#include "lib/memory.h"
#include "mm/frames/frame.h"

/* Words of an array that are not places: the one below and the one above. */
#define MAGAZINE_SENTINELS 2u

/* Places of the longest array, which has 2^2 frames. */
#define MAGAZINE_ORDER_MAX 2u
#define MAGAZINE_PLACES_MAX                                                                        \
    ((FRAME_BYTES << MAGAZINE_ORDER_MAX) / sizeof(void *) - MAGAZINE_SENTINELS)

/* capacity <= places; bottom[0] is NULL and bottom[capacity + 1] is QUARRY_MAGAZINE_END. */
struct magazine {
    void **bottom;
    uint16_t places;
    uint16_t capacity;
};

static inline size_t magazine_held(const struct magazine *magazine, void **top)
{
    return (size_t)(top - magazine->bottom);
}

/* Pops up to `count` objects; returns how many. `top` is where the CPU's block has the top. */
static inline size_t magazine_pop_many(const struct magazine *magazine, void ***top, size_t count,
                                       void *objects[])
{
    size_t popped = min_u64(count, magazine_held(magazine, *top));
    void **new_top = *top - popped;
    memory_copy(objects, new_top + 1, popped * sizeof(void *));
    *top = new_top;
    return popped;
}

/* It holds no more than `capacity` objects, and has as many places. */
static inline void magazine_set_capacity(struct magazine *magazine, size_t capacity)
{
    magazine->bottom[magazine->capacity + 1] = NULL;
    magazine->bottom[capacity + 1] = QUARRY_MAGAZINE_END;
    magazine->capacity = (uint16_t)capacity;
}

/* Raises the capacity to `capacity` and pushes up to `count` objects, as far as it goes; returns
 * how many. */
static inline size_t magazine_fill(struct magazine *magazine, void ***top, size_t capacity,
                                   size_t count, void *const objects[])
{
    if (capacity != magazine->capacity)
        magazine_set_capacity(magazine, capacity);
    size_t pushed = min_u64(count, capacity - magazine_held(magazine, *top));
    memory_copy(*top + 1, objects, pushed * sizeof(void *));
    *top += pushed;
    return pushed;
}

/* All below: the magazine is empty. `first` is the array that it starts with, with room for
 * `first_places` objects, or the sentinel with 0. */

/* Begins with its first array and capacity 0. */
void magazine_open(struct magazine *magazine, void ***top, void **first, size_t first_places);

/* Moves to the next longer array, but to no more than `places_max` places, if there are frames. */
void magazine_grow(struct magazine *magazine, void ***top, void **first, size_t places_max);

/* Moves back to the first array. The capacity is at most `first_places`. */
void magazine_shrink(struct magazine *magazine, void ***top, void **first, size_t first_places);

#endif
