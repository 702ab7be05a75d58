/* SPDX-License-Identifier: MIT */
/* Freeing: the public functions and the way behind the fast path; see heap.h. */
#include <quarry/inline.h>

#include "mm/api/heap.h"
#include "mm/debug/misuse.h"
#include "mm/objects/cpu_cache.h"
#include "mm/pages/object_kind.h"

#if HEAP_FAST_PATH_IN_C
void quarry_free(void *object)
{
    heap_free(object);
}

void quarry_free_of(void *object, size_t size_class)
{
    if (QUARRY_HARDEN)
        heap_free(object);
    else
        heap_free_of(object, (unsigned)size_class);
}
#endif

static void free_by_kind(void *object, const void *caller)
{
    struct span *span;
    object_kind_at(object, &span)->free(span, object, caller);
}

__attribute__((__noinline__)) void heap_free_slow(void *object, unsigned cache_id,
                                                  const void *caller)
{
    if (cache_id != 0)
        cpu_cache_free_missed(cache_id, object);
    else if (object != NULL)
        free_by_kind(object, caller);
}

/* ---- with the size ---- */

static __attribute__((__noinline__)) void check_size(void *object, size_t bytes)
{
    struct span *span;
    const struct object_kind *kind = object_kind_at(object, &span);
    size_t usable = kind->usable_bytes(span, object, "sized free");
    if (!kind->fits(span, object, bytes))
        misuse_stop_size(object, bytes, usable);
}

void quarry_free_sized(void *object, size_t bytes)
{
    unsigned size_class = size_class_for(bytes);
    bool right = QUARRY_HARDEN < 2 && size_class != 0 && size_class == page_map_cache_id(object);
    if (unlikely(!right) && object != NULL)
        check_size(object, bytes);
    heap_free(object);
}
