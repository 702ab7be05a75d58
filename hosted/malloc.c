/* SPDX-License-Identifier: MIT */
/*
 * The malloc family on top of Quarry's API.
 *
 * Programs expect more than the API guarantees: objects of more than 8 bytes are aligned to 16;
 * errno is ENOMEM when memory is exhausted; free() ignores a pointer from before this library was
 * loaded. All other misuse stops the program with a report.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/hosted.h"
#include "hosted/sizes.h"
#include "mm/api/heap.h"
#include "mm/pages/span.h"

#define EXPORT __attribute__((__visibility__("default")))

/* glibc also keeps freed objects only up to this size. */
#define HUGE_OBJECT_BYTES ((size_t)32 << 20)

static void *checked(void *object)
{
    if (unlikely(object == NULL))
        errno = ENOMEM;
    return object;
}

static SLOW void *alloc_slow(size_t bytes)
{
    hosted_enter();
    void *object = quarry_alloc(hosted_rounded(bytes));
    hosted_leave();
    return checked(object);
}

EXPORT void *malloc(size_t bytes)
{
    if (likely(!QUARRY_HARDEN && bytes <= SIZE_CLASS_LOOKUP_BYTES_MAX)) {
        void *object = quarry_port_pop(hosted_cache_ids[(bytes + 7) / 8]);
        if (likely(object != NULL))
            return object;
    }
    return alloc_slow(bytes);
}

static bool is_ours(const void *object)
{
    return (uintptr_t)object - page_map.direct_map - HOSTED_FIRST_BYTE <
           HOSTED_MEMORY_BYTES - HOSTED_FIRST_BYTE;
}

/* Quarry keeps the frames of a huge object, which may not be used again soon. Linux gets them. */
static void return_pages_of_huge(void *object)
{
    const struct span *span = span_of_address(object);
    if (span != NULL && (uintptr_t)object == span_address(span) &&
        span->pages >= HUGE_OBJECT_BYTES / FRAME_BYTES)
        hosted_memory_idle(object, span->pages * FRAME_BYTES);
}

static SLOW void free_slow(void *object)
{
    if (object == NULL || !is_ours(object))
        return;
    int error = errno; /* free() must not change it */
    hosted_enter();
    if (page_map_cache_id(object) == 0)
        return_pages_of_huge(object);
    quarry_free(object);
    hosted_leave();
    errno = error;
}

EXPORT void free(void *object)
{
    if (unlikely(QUARRY_HARDEN || !quarry_port_push(page_map_cache_id(object), object)))
        free_slow(object);
}

EXPORT void *calloc(size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        return checked(NULL);
    void *object = malloc(total);
    if (likely(object != NULL))
        memset(object, 0, total);
    return object;
}

/*
 * quarry_realloc() resizes an object in place only within its size class, so that a sized free can
 * be checked (decision 002). The malloc family has no sized free. So a small object stays in place
 * as long as it fills half of its slot, and one that moves gets at least an eighth more than it
 * had.
 */
static bool stays_in_place(size_t bytes, size_t slot_bytes)
{
    return bytes <= slot_bytes && bytes > slot_bytes / 2;
}

EXPORT void *realloc(void *object, size_t bytes)
{
    if (object == NULL)
        return malloc(bytes);
    if (bytes == 0) {
        free(object);
        return NULL;
    }
    unsigned cache_id = page_map_cache_id(object);
    if (!QUARRY_HARDEN && cache_id != 0) {
        size_t slot_bytes = size_classes[cache_id].bytes;
        if (stays_in_place(bytes, slot_bytes))
            return object;
        if (bytes > slot_bytes)
            bytes = max_u64(bytes, slot_bytes + slot_bytes / 8);
    }
    hosted_enter();
    void *resized = quarry_realloc(object, hosted_rounded(bytes));
    hosted_leave();
    return checked(resized);
}

EXPORT void *reallocarray(void *object, size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        return checked(NULL);
    return realloc(object, total);
}

EXPORT size_t malloc_usable_size(void *object)
{
    if (object == NULL || !is_ours(object))
        return 0;
    hosted_enter();
    size_t bytes = quarry_usable_size(object);
    hosted_leave();
    return bytes;
}

/* ---- aligned ---- */

static void *aligned(size_t alignment, size_t bytes)
{
    hosted_enter();
    void *object = quarry_aligned(max_u64(alignment, HOSTED_ALIGNMENT), bytes);
    hosted_leave();
    return object;
}

EXPORT int posix_memalign(void **object, size_t alignment, size_t bytes)
{
    if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    int error = errno; /* the result is only the return value */
    void *allocated = aligned(alignment, bytes);
    errno = error;
    if (allocated == NULL)
        return ENOMEM;
    *object = allocated;
    return 0;
}

EXPORT void *aligned_alloc(size_t alignment, size_t bytes)
{
    if (!is_power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return checked(aligned(alignment, bytes));
}

/* An alignment that is not a power of two is rounded up to the next one, as in glibc. */
EXPORT void *memalign(size_t alignment, size_t bytes)
{
    while (!is_power_of_two(alignment) && alignment != 0)
        alignment += alignment & -alignment;
    return checked(aligned(max_u64(alignment, 1), bytes));
}

EXPORT void *valloc(size_t bytes)
{
    return checked(aligned(FRAME_BYTES, bytes));
}

EXPORT void *pvalloc(size_t bytes)
{
    if (bytes > SIZE_MAX - FRAME_BYTES)
        return checked(NULL);
    return checked(aligned(FRAME_BYTES, max_u64(round_up(bytes, FRAME_BYTES), FRAME_BYTES)));
}

/* ---- extensions of glibc ---- */

EXPORT int malloc_trim(size_t keep_bytes)
{
    (void)keep_bytes;
    hosted_enter();
    size_t frames = quarry_scavenge();
    hosted_leave();
    return frames > 0;
}
