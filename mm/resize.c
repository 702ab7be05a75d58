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
#include "mm/frames/frame.h"
#include "mm/guard/misuse.h"
#include "mm/heap.h"
#include "mm/objects/cpu_cache.h"
#include "mm/pages/large.h"
#include "mm/pages/page_map.h"
#include "mm/pages/span.h"

#define ALIGNMENT_MAX ((size_t)1 << 30)

void *quarry_aligned(size_t alignment, size_t bytes)
{
    if (!is_power_of_two(alignment) || alignment > ALIGNMENT_MAX)
        return NULL;
    unsigned size_class = size_class_of_aligned(bytes, alignment);
    if (size_class != 0)
        return quarry_alloc(size_classes[size_class].bytes);
    return heap_alloc_large(max_u64(bytes, 1), alignment, 0);
}

/* ---- sizes of objects ---- */

/* The class of a live object, 0 for a large one; stops with a report if it is neither. */
static unsigned checked_class(const char *operation, const void *object)
{
    unsigned size_class = page_map_class(object);
    if (size_class == 0) {
        large_span(operation, object);
        return 0;
    }
    const struct span *span = span_of_address(object);
    if (unlikely(span == NULL || span->size_class != size_class ||
                 span_slot_of(span, object) == span->slots))
        misuse_stop(operation, object);
    return size_class;
}

static size_t usable_bytes(const char *operation, const void *object)
{
    unsigned size_class = checked_class(operation, object);
    if (size_class != 0)
        return size_classes[size_class].bytes;
    return large_usable_bytes(large_span(operation, object));
}

size_t quarry_usable_size(const void *object)
{
    return object != NULL ? usable_bytes("usable size", object) : 0;
}

static __attribute__((noinline)) void free_sized_slow(void *object, size_t bytes)
{
    if (object == NULL)
        return;
    size_t usable = usable_bytes("sized free", object);
    if (usable <= SIZE_CLASS_BYTES_MAX || round_up(bytes, FRAME_BYTES) != usable)
        misuse_stop_size(object, bytes, usable);
    quarry_free(object);
}

void quarry_free_sized(void *object, size_t bytes)
{
    unsigned size_class = size_class_of(bytes);
    if (likely(size_class != 0 && size_class == page_map_class(object)))
        quarry_free(object);
    else
        free_sized_slow(object, bytes);
}

/* ---- realloc ---- */

/* Staying in a larger class than its size's would make a lie of a later sized free. */
static bool fits_in_place(void *object, size_t bytes)
{
    unsigned size_class = page_map_class(object);
    if (size_class != 0)
        return size_class == size_class_of(bytes);
    return bytes > SIZE_CLASS_BYTES_MAX && large_resize(large_span("realloc", object), bytes);
}

static void *move(void *object, size_t usable, size_t bytes)
{
    void *moved = quarry_alloc(bytes);
    if (moved == NULL)
        return NULL;
    memory_copy(moved, object, min_u64(usable, bytes));
    quarry_free(object);
    return moved;
}

void *quarry_realloc(void *object, size_t bytes)
{
    if (object == NULL)
        return quarry_alloc(bytes);
    size_t usable = usable_bytes("realloc", object);
    return fits_in_place(object, bytes) ? object : move(object, usable, bytes);
}

/* ---- many at once ---- */

/* Objects moved under one masking of interrupts: bounds how long it lasts. */
#define BATCH_PIECE ((size_t)32)

static size_t pop_piece(unsigned size_class, size_t count, void *objects[])
{
    size_t given = 0;
    uintptr_t irq = quarry_port_irq_save();
    struct cpu_cache *cache = quarry_port_cpu_cache();
    while (given < count && (objects[given] = cpu_cache_pop(cache, size_class)) != NULL)
        given++;
    quarry_port_irq_restore(irq);
    return given;
}

size_t quarry_alloc_batch(size_t bytes, size_t count, void *objects[])
{
    unsigned size_class = size_class_of(bytes);
    size_t given = 0;
    while (given < count) {
        size_t popped = pop_piece(size_class, min_u64(count - given, BATCH_PIECE), objects + given);
        given += popped;
        if (popped > 0)
            continue;
        objects[given] = heap_alloc_slow(bytes, size_class, 0);
        if (objects[given] == NULL)
            break;
        given++;
    }
    return given;
}

static size_t push_piece(size_t count, void *const objects[])
{
    size_t taken = 0;
    uintptr_t irq = quarry_port_irq_save();
    struct cpu_cache *cache = quarry_port_cpu_cache();
    while (taken < count && cpu_cache_push(cache, page_map_class(objects[taken]), objects[taken]))
        taken++;
    quarry_port_irq_restore(irq);
    return taken;
}

void quarry_free_batch(size_t count, void *const objects[])
{
    size_t taken = 0;
    while (taken < count) {
        size_t pushed = push_piece(min_u64(count - taken, BATCH_PIECE), objects + taken);
        taken += pushed;
        if (pushed == 0) {
            heap_free_slow(objects[taken], page_map_class(objects[taken]));
            taken++;
        }
    }
}
