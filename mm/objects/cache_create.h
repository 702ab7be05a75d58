/* SPDX-License-Identifier: MIT */
/*
 * Creation of further cache ids, beside those of the plain size classes.
 *
 * A new id has a magazine on each CPU, a transfer cache and a central list, so its objects are
 * allocated and freed as fast as plain ones. CPUs that do not use it pay for one word in their
 * block. Ids are not destroyed.
 *
 * Locking: a lock of its own, above all locks of objects. It is held for the allocation of one
 * frame.
 */
#ifndef MM_OBJECTS_CACHE_CREATE_H
#define MM_OBJECTS_CACHE_CREATE_H

#include "mm/objects/cache_id.h"

void cache_create_init(void);

/*
 * The id of a new cache with objects of this shape; 0: all QUARRY_EXTRA_CACHES ids are used up, or
 * there is no memory. (See cache_shape_for().) first_place and magazine_first are ignored. Not in
 * an interrupt handler.
 */
unsigned cache_create(const struct cache_shape *shape);

#endif
