/* SPDX-License-Identifier: MIT */
/* Many objects in one call: the fast path in a loop; see heap.h. */
#include "mm/api/heap.h"

size_t quarry_alloc_batch(size_t bytes, size_t count, void *objects[])
{
    unsigned size_class = size_class_for(bytes);
    size_t allocated = 0;
    while (allocated < count) {
        objects[allocated] = heap_alloc_of(size_class, bytes, 0);
        if (objects[allocated] == NULL)
            break;
        allocated++;
    }
    return allocated;
}

void quarry_free_batch(size_t count, void *const objects[])
{
    for (size_t i = 0; i < count; i++)
        heap_free(objects[i]);
}
