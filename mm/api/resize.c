/* SPDX-License-Identifier: MIT */
/*
 * Sizes of live objects: usable size and realloc.
 *
 * An object stays where it is while its size class stays the same; a large object, while it stays
 * large and the pages behind it are free. Otherwise: a new object, a copy, and a free of the old
 * one. So an object's class always follows from the size that was last asked for, and a sized free
 * can be checked. An object that stayed in a larger class would make a correct quarry_free_sized()
 * look like misuse.
 */
#include "lib/memory.h"
#include "mm/api/heap.h"
#include "mm/debug/misuse.h"
#include "mm/objects/cache_id.h"
#include "mm/pages/object_kind.h"

size_t quarry_usable_size(const void *object)
{
    struct span *span;
    if (object == NULL)
        return 0;
    return object_kind_at(object, &span)->usable_bytes(span, object, "usable size");
}

/* ---- realloc ---- */

HEAP_INLINE void *move(void *object, size_t usable, size_t bytes)
{
    void *moved = heap_alloc(bytes, 0);
    if (moved == NULL)
        return NULL;
    memory_copy(moved, object, min_u64(usable, bytes));
    heap_free(object);
    return moved;
}

/* No object, or one whose kind must be asked: large, guarded, or any if it is hardened. */
static __attribute__((__noinline__)) void *realloc_slow(void *object, size_t bytes)
{
    if (object == NULL)
        return heap_alloc(bytes, 0);
    struct span *span;
    const struct object_kind *kind = object_kind_at(object, &span);
    size_t usable = kind->usable_bytes(span, object, "realloc");
    return kind->resize(span, object, bytes) ? object : move(object, usable, bytes);
}

/* Stops unless a slot of a span with this id begins at the object. */
static void check_slot(const void *object, unsigned cache_id)
{
    struct span *span = span_of_address(object);
    if (unlikely(span == NULL || span->cache_id != cache_id ||
                 span_slot_of(span, object) == span->slots))
        misuse_stop("realloc", object, span);
}

/* From one id to another, neither of them 0. The new object may be a sampled one, which has no more
 * than `bytes` bytes. */
static __attribute__((__noinline__)) void *change_class(void *object, unsigned from, unsigned to,
                                                        size_t bytes)
{
    check_slot(object, from);
    void *moved = heap_alloc_of(to, bytes, 0);
    if (unlikely(moved == NULL))
        return NULL;
    memory_copy(moved, object, min_u64(cache_shapes[from].object_bytes, bytes));
    heap_free_of(object, from);
    return moved;
}

void *quarry_realloc(void *object, size_t bytes)
{
    unsigned from = page_map_cache_id(object);
    unsigned to = size_class_for(bytes);
    if (QUARRY_HARDEN || unlikely(from == 0 || to == 0))
        return realloc_slow(object, bytes);
    /* An object that stays is not checked: it is checked when it moves or is freed. */
    return from == to ? object : change_class(object, from, to, bytes);
}
