/* SPDX-License-Identifier: MIT */
/*
 * The malloc family on top of Quarry's API.
 *
 * Programs expect more than the API guarantees: objects of more than 8 bytes are aligned to 16;
 * errno is ENOMEM when memory is exhausted. Misuse stops the program with a report. A pointer that
 * the library did not return is misuse, too: it is loaded with the program, so there are no others.
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

/* Objects from here on are not in arenas (mm/pages/page_heap.h). */
#define LARGE_BYTES ARENA_BYTES

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

static SLOW void *alloc_large(size_t alignment, size_t bytes, bool zeroed)
{
    hosted_enter();
    hosted_memory_expect(bytes);
    void *object = quarry_aligned(max_u64(alignment, HOSTED_ALIGNMENT), hosted_rounded(bytes));
    hosted_memory_expect(0);
    if (object != NULL && zeroed)
        resident_clear(object, bytes);
    if (object != NULL)
        resident_allocated(object);
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
    return bytes < LARGE_BYTES ? alloc_slow(bytes) : alloc_large(1, bytes, false);
}

static SLOW void free_slow(void *object)
{
    if (object == NULL)
        return;
    int error = errno; /* free() must not change it */
    hosted_enter();
    struct resident_pages pages = resident_pages_of(object);
    quarry_free(object);
    if (pages.count >= ARENA_PAGES)
        resident_freed(pages);
    hosted_leave();
    if (pages.count >= ARENA_PAGES)
        background_start();
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
    if (unlikely(total >= LARGE_BYTES))
        return alloc_large(1, total, true);
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

/* The pages that a large object gave up. */
static struct resident_pages given_up(struct resident_pages before, const void *object,
                                      const void *resized)
{
    struct resident_pages after = resident_pages_of(resized);
    size_t kept = resized == object ? min_u64(after.count, before.count) : 0;
    return (struct resident_pages){before.first + kept, before.count - kept};
}

static SLOW void *realloc_slow(void *object, size_t bytes)
{
    hosted_enter();
    struct resident_pages before = resident_pages_of(object);
    hosted_memory_expect(bytes);
    void *resized = quarry_realloc(object, hosted_rounded(bytes));
    hosted_memory_expect(0);
    if (resized != NULL) {
        resident_allocated(resized);
        if (before.count >= ARENA_PAGES)
            resident_freed(given_up(before, object, resized));
    }
    hosted_leave();
    return checked(resized);
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
    if (QUARRY_HARDEN == 1 && stays_in_place(bytes, malloc_usable_size(object)))
        return object;
    if (!QUARRY_HARDEN && cache_id != 0) {
        size_t slot_bytes = size_classes[cache_id].bytes;
        if (stays_in_place(bytes, slot_bytes))
            return object;
        if (bytes > slot_bytes)
            bytes = max_u64(bytes, slot_bytes + slot_bytes / 8);
    }
    return realloc_slow(object, bytes);
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
    if (object == NULL)
        return 0;
    hosted_enter();
    size_t bytes = quarry_usable_size(object);
    hosted_leave();
    return bytes;
}

/* ---- aligned ---- */

#define ALIGNMENT_MAX (SIZE_MAX / 2 + 1) /* the largest power of two */

static void *aligned(size_t alignment, size_t bytes)
{
    if (bytes >= LARGE_BYTES)
        return alloc_large(alignment, bytes, false);
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
    if (alignment > ALIGNMENT_MAX) {
        errno = EINVAL;
        return NULL;
    }
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
    size_t returned = quarry_scavenge() + resident_return_freed();
    hosted_leave();
    return returned > 0;
}
