/* SPDX-License-Identifier: MIT */
/*
 * Objects with a wish: aligned, resized, freed with their size, many at once.
 *
 * Resizing keeps an object where it is while its class stays the same, and a large object as long
 * as it stays large and the pages behind it can be had. Otherwise: a new object, a copy, and the
 * old one freed. So an object's class always follows from the size that was last asked for, which
 * is what lets a sized free be checked.
 */
#include "lib/memory.h"
#include "mm/api/heap.h"
#include "mm/debug/guard_pages.h"
#include "mm/debug/misuse.h"
#include "mm/frames/frame.h"
#include "mm/kinds/large.h"
#include "mm/pages/page_map.h"
#include "mm/pages/span.h"

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
    return heap_alloc_large(max_u64(bytes, 1), alignment, 0, HEAP_CALLER);
}

/* ---- sizes of objects ---- */

/* Stops unless there is an object of the class, which is not 0. */
static void check_slot(const char *operation, const void *object, unsigned size_class)
{
    const struct span *span = span_of_address(object);
    if (unlikely(span == NULL || span->size_class != size_class ||
                 span_slot_of(span, object) == span->slots))
        misuse_stop(operation, object);
}

/* The class of a live object, 0 for a large or a guarded one; stops where there is none. */
static unsigned checked_class(const char *operation, const void *object)
{
    unsigned size_class = page_map_cache_id(object);
    if (size_class != 0)
        check_slot(operation, object, size_class);
    else if (!guard_pages_have(object))
        large_span(operation, object);
    return size_class;
}

static size_t usable_bytes(const char *operation, const void *object)
{
    unsigned size_class = checked_class(operation, object);
    if (size_class == 0 && guard_pages_have(object))
        return guard_pages_usable_bytes(operation, object);
    if (QUARRY_HARDEN)
        return harden_usable_bytes(operation, object);
    if (size_class != 0)
        return size_classes[size_class].bytes;
    return large_usable_bytes(large_span(operation, object));
}

size_t quarry_usable_size(const void *object)
{
    return object != NULL ? usable_bytes("usable size", object) : 0;
}

/* Whether an object with so many usable bytes can have been asked for with `bytes`. That the
 * classes differ is known already, below level 2. */
static bool size_fits(unsigned size_class, size_t bytes, size_t usable)
{
    if (QUARRY_HARDEN >= 2)
        return bytes == usable;
    return size_class == 0 && bytes > SMALL_BYTES_MAX - HARDEN_TAIL_BYTES &&
           round_up(bytes + HARDEN_TAIL_BYTES, FRAME_BYTES) == usable + HARDEN_TAIL_BYTES;
}

static __attribute__((__noinline__)) void check_size(void *object, size_t bytes)
{
    size_t usable = usable_bytes("sized free", object);
    bool fits = guard_pages_have(object) ? bytes == usable
                                         : size_fits(page_map_cache_id(object), bytes, usable);
    if (!fits)
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

/* ---- realloc ---- */

/* Staying in a larger class than its size's would make a lie of a later sized free. */
static bool fits_in_place(void *object, size_t bytes)
{
    unsigned size_class = page_map_cache_id(object);
    if (size_class == 0)
        return !guard_pages_have(object) && size_class_for(bytes) == 0 &&
               large_resize(large_span("realloc", object), bytes);
    if (size_class != size_class_for(bytes))
        return false;
    harden_resize(object, bytes);
    return true;
}

HEAP_INLINE void *move(void *object, size_t usable, size_t bytes)
{
    void *moved = heap_alloc(bytes, 0);
    if (moved == NULL)
        return NULL;
    memory_copy(moved, object, min_u64(usable, bytes));
    heap_free(object);
    return moved;
}

/* Where there is no object yet, or a large or a guarded one, or one that hardening looks at. */
static __attribute__((__noinline__)) void *realloc_slow(void *object, size_t bytes)
{
    if (object == NULL)
        return heap_alloc(bytes, 0);
    size_t usable = usable_bytes("realloc", object);
    return fits_in_place(object, bytes) ? object : move(object, usable, bytes);
}

/* From class to class, neither of them 0, and whole slots: all are words. */
static __attribute__((__noinline__)) void *change_class(void *object, unsigned from, unsigned to,
                                                        size_t bytes)
{
    check_slot("realloc", object, from);
    void *moved = heap_alloc_of(to, bytes, 0);
    if (unlikely(moved == NULL))
        return NULL;
    memory_copy(moved, object, min_u64(size_classes[from].bytes, size_classes[to].bytes));
    heap_recycle(object, from);
    return moved;
}

void *quarry_realloc(void *object, size_t bytes)
{
    unsigned from = page_map_cache_id(object), to = size_class_for(bytes);
    if (QUARRY_HARDEN || unlikely(from == 0 || to == 0))
        return realloc_slow(object, bytes);
    /* Staying as it is harms nobody, whatever it is: so it is looked at only when it moves. */
    return from == to ? object : change_class(object, from, to, bytes);
}

/* ---- many at once ---- */

size_t quarry_alloc_batch(size_t bytes, size_t count, void *objects[])
{
    unsigned size_class = size_class_for(bytes);
    size_t given = 0;
    while (given < count) {
        objects[given] = heap_alloc_of(size_class, bytes, 0);
        if (objects[given] == NULL)
            break;
        given++;
    }
    return given;
}

void quarry_free_batch(size_t count, void *const objects[])
{
    for (size_t i = 0; i < count; i++)
        heap_free(objects[i]);
}
