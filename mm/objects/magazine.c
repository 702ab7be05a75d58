/* SPDX-License-Identifier: MIT */
/* The arrays of magazines; see magazine.h. */
#include "mm/objects/magazine.h"

#include "mm/objects/pointer_array.h"

/* The order of an array that is not the first one. */
static unsigned array_order(size_t places)
{
    return pointer_array_order(places + MAGAZINE_SENTINELS);
}

static void use_array(struct magazine *magazine, void ***top, void **array, size_t places)
{
    magazine->bottom = *top = array;
    magazine->places = (uint16_t)places;
}

void magazine_open(struct magazine *magazine, void ***top, void **first, size_t first_places)
{
    use_array(magazine, top, first, first_places);
    magazine->capacity = 0;
    if (first_places > 0)
        first[1] = QUARRY_MAGAZINE_END;
}

/* The first array stays the CPU's, without the sentinel word above. The sentinel is never
 * written. */
static void leave_array(const struct magazine *magazine, void *const *first)
{
    if (magazine->bottom != first)
        pointer_array_free(magazine->bottom, array_order(magazine->places));
    else if (magazine->places > 0)
        magazine->bottom[magazine->capacity + 1] = NULL;
}

void magazine_grow(struct magazine *magazine, void ***top, void **first, size_t places_max)
{
    unsigned order = array_order(magazine->places + 1u);
    void **array = pointer_array_alloc(order);
    if (array == NULL)
        return;
    memory_clear(array, FRAME_BYTES << order);
    array[magazine->capacity + 1] = QUARRY_MAGAZINE_END;
    leave_array(magazine, first);
    use_array(magazine, top, array,
              min_u64(pointer_array_words(order) - MAGAZINE_SENTINELS, places_max));
}

void magazine_shrink(struct magazine *magazine, void ***top, void **first, size_t first_places)
{
    leave_array(magazine, first);
    if (first_places > 0)
        first[magazine->capacity + 1] = QUARRY_MAGAZINE_END;
    use_array(magazine, top, first, first_places);
}
