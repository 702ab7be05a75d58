/* SPDX-License-Identifier: MIT */
/* Allocation: the public functions; see heap.h for the way down. */
#include <quarry/inline.h>

#include "lib/memory.h"
#include "mm/api/heap.h"

#if HEAP_FAST_PATH_IN_C
void *quarry_alloc(size_t bytes)
{
    return heap_alloc(bytes, 0);
}

/* The size classes of a hardened build differ from those of quarry/inline.h. */
void *quarry_alloc_of(size_t bytes, size_t size_class)
{
    return heap_alloc_of(QUARRY_HARDEN ? size_class_for(bytes) : (unsigned)size_class, bytes, 0);
}
#endif

HEAP_INLINE void *alloc_with(size_t bytes, unsigned flags)
{
    void *object = heap_alloc(bytes, flags);
    if ((flags & QUARRY_ZEROED) && object != NULL)
        memory_clear(object, bytes);
    return object;
}

void *quarry_alloc_with(size_t bytes, unsigned flags)
{
    return alloc_with(bytes, flags);
}

#if HEAP_FAST_PATH_IN_C
void *quarry_zeroed(size_t bytes)
#else
void *heap_zeroed(size_t bytes)
#endif
{
    return alloc_with(bytes, QUARRY_ZEROED);
}

void *quarry_calloc(size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        return NULL;
    return alloc_with(total, QUARRY_ZEROED);
}

#define ALIGNMENT_MAX ((size_t)1 << 30)

void *quarry_aligned(size_t alignment, size_t bytes)
{
    if (!is_power_of_two(alignment) || alignment > ALIGNMENT_MAX)
        return NULL;
    if (bytes > SIZE_MAX - HARDEN_TAIL_BYTES)
        return NULL;
    unsigned size_class = size_class_of_aligned(bytes + HARDEN_TAIL_BYTES, alignment);
    if (size_class != 0)
        return heap_alloc_of(size_class, bytes, HEAP_ALIGNED);
    return heap_alloc_large(max_u64(bytes, 1), alignment, HEAP_CALLER);
}
