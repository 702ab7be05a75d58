/* SPDX-License-Identifier: MIT */
/*
 * The malloc family, over Quarry's API.
 *
 * What programs expect beyond that: objects of more than 8 bytes are aligned to 16; errno says
 * that memory is gone; a pointer that is not ours, from before this library was loaded, may be
 * freed and is then left alone. Anything else that is wrong stops the program with a report.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/hosted.h"
#include "mm/api/heap.h"
#include "mm/pages/span.h"

#define EXPORT __attribute__((__visibility__("default")))

#define ALIGNMENT 16u /* of what is larger than a word: as <stddef.h>'s max_align_t */

/* The largest size up to which glibc may keep what was freed as well. */
#define HUGE_OBJECT_BYTES ((size_t)32 << 20)

static void *checked(void *object)
{
    if (unlikely(object == NULL))
        errno = ENOMEM;
    return object;
}

static size_t rounded(size_t bytes)
{
    return bytes <= 8 || bytes > SIZE_MAX - ALIGNMENT ? bytes : round_up(bytes, ALIGNMENT);
}

/* size_class_lookup, for what a size is rounded to. All 0, the door, until hosted_begin(). */
static uint8_t hosted_classes[SIZE_CLASS_LOOKUP_BYTES_MAX / 8 + 1];

void hosted_fill_classes(void)
{
    for (size_t bytes = 0; bytes <= SIZE_CLASS_LOOKUP_BYTES_MAX; bytes += 8)
        hosted_classes[bytes / 8] = (uint8_t)size_class_for(rounded(bytes));
}

static SLOW void *alloc_slow(size_t bytes)
{
    hosted_enter();
    void *object = quarry_alloc(rounded(bytes));
    hosted_leave();
    return checked(object);
}

EXPORT void *malloc(size_t bytes)
{
    if (likely(!QUARRY_HARDEN && bytes <= SIZE_CLASS_LOOKUP_BYTES_MAX)) {
        void *object = quarry_port_pop(hosted_classes[(bytes + 7) / 8]);
        if (likely(object != NULL))
            return object;
    }
    return alloc_slow(bytes);
}

static bool is_ours(const void *object)
{
    return (uintptr_t)object - page_map.direct_map - HOSTED_FIRST_BYTE <
           HOSTED_WINDOW_BYTES - HOSTED_FIRST_BYTE;
}

/* Quarry keeps the frames of what is so large that nobody may want them soon: they go to Linux. */
static void give_back_pages(void *object)
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
    int error = errno; /* free() leaves it alone */
    hosted_enter();
    if (page_map_cache_id(object) == 0)
        give_back_pages(object);
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
 * Quarry keeps an object only within its class, for a sized free to be checked (decision 002).
 * There is none in this family: so a small object stays as long as it fills half of its slot, and
 * one that grows gets an eighth more than it had.
 */
static bool stays(size_t bytes, size_t room)
{
    return bytes <= room && bytes > room / 2;
}

EXPORT void *realloc(void *object, size_t bytes)
{
    if (object == NULL)
        return malloc(bytes);
    if (bytes == 0) {
        free(object);
        return NULL;
    }
    unsigned size_class = page_map_cache_id(object);
    if (!QUARRY_HARDEN && size_class != 0) {
        size_t room = size_classes[size_class].bytes;
        if (stays(bytes, room))
            return object;
        if (bytes > room)
            bytes = max_u64(bytes, room + room / 8);
    }
    hosted_enter();
    void *resized = quarry_realloc(object, rounded(bytes));
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
    void *object = quarry_aligned(max_u64(alignment, ALIGNMENT), bytes);
    hosted_leave();
    return object;
}

EXPORT int posix_memalign(void **object, size_t alignment, size_t bytes)
{
    if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    int error = errno; /* the answer is the return value alone */
    void *given = aligned(alignment, bytes);
    errno = error;
    if (given == NULL)
        return ENOMEM;
    *object = given;
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

/* What is no power of two is taken for the next one, as glibc does. */
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

/* ---- what programs ask glibc's allocator for, and need no answer to ---- */

EXPORT int malloc_trim(size_t keep_bytes)
{
    (void)keep_bytes;
    hosted_enter();
    size_t frames = quarry_scavenge();
    hosted_leave();
    return frames > 0;
}
