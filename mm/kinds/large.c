/* SPDX-License-Identifier: MIT */
/* The operations of large objects; see large.h. */
#include "mm/kinds/large.h"

#include "lib/atomic.h"
#include "mm/debug/harden.h"
#include "mm/debug/misuse.h"
#include "mm/frames/frames.h"
#include "mm/objects/size_class.h"

static struct large_stats live; /* atomic */

struct large_stats large_stats(void)
{
    return (struct large_stats){atomic_load_relaxed(&live.objects),
                                atomic_load_relaxed(&live.pages)};
}

/* From level 1 of hardening on the last page has room for a canary. */
static size_t pages_for(size_t bytes)
{
    size_t pages = divide_up(bytes, FRAME_BYTES);
    return pages + (pages * FRAME_BYTES < bytes + HARDEN_TAIL_BYTES);
}

bool large_is_possible(const struct object_request *request)
{
    return pages_for(request->bytes) <= frames_total_count();
}

void *large_alloc(const struct object_request *request)
{
    size_t pages = pages_for(request->bytes);
    if (pages > page_map.capacity)
        return NULL;
    struct span *span = span_create_large(pages, max_u64(request->alignment >> FRAME_SHIFT, 1));
    if (span == NULL)
        return NULL;
    atomic_fetch_add(&live.objects, 1);
    atomic_fetch_add(&live.pages, pages);
    harden_on_alloc_large(span, request->bytes, request->caller);
    return (void *)span_address(span);
}

static bool starts_at(const struct span *span, const void *object)
{
    return span_address(span) == (uintptr_t)object;
}

/* A double free took the state of an object that now has the descriptor: it gets it back. */
static __attribute__((__noinline__)) _Noreturn void stop_after_reuse(struct span *span,
                                                                     void *object)
{
    atomic_store_release(&span->state, SPAN_ALLOCATED);
    misuse_stop("free", object, span_of_address(object));
}

static void check_live(struct span *span, const void *object, const char *operation)
{
    bool live_start =
        starts_at(span, object) && atomic_load_relaxed(&span->state) == SPAN_ALLOCATED;
    if (unlikely(!live_start))
        misuse_stop(operation, object, span);
}

static void free_large(struct span *span, void *object, const void *caller)
{
    uint8_t allocated = SPAN_ALLOCATED;
    /* If two CPUs free the same object, only one of them changes the state. */
    if (unlikely(!starts_at(span, object) ||
                 !atomic_compare_swap(&span->state, &allocated, SPAN_UNLISTED)))
        misuse_stop("free", object, span);
    /* Meanwhile the other CPU may have freed the object, and the descriptor may be another
     * object's. */
    if (unlikely(span_of_address(object) != span || !starts_at(span, object)))
        stop_after_reuse(span, object);
    harden_on_free_large(span, caller);
    atomic_fetch_sub(&live.objects, 1);
    atomic_fetch_sub(&live.pages, span->pages);
    span_destroy(span);
}

static size_t usable_bytes(struct span *span, const void *object, const char *operation)
{
    check_live(span, object, operation);
    return QUARRY_HARDEN ? harden_usable_bytes_large(operation, span) : span->pages * FRAME_BYTES;
}

/* Below level 2 the size is known to the page. */
static bool fits(struct span *span, const void *object, size_t bytes)
{
    check_live(span, object, "sized free");
    if (QUARRY_HARDEN >= 2)
        return bytes == harden_usable_bytes_large("sized free", span);
    return size_class_for(bytes) == 0 && pages_for(bytes) == span->pages;
}

static bool resize(struct span *span, void *object, size_t bytes)
{
    size_t old = span->pages;
    size_t pages = pages_for(bytes);
    (void)object;
    if (size_class_for(bytes) != 0 || pages > page_map.capacity || !span_resize(span, pages))
        return false;
    atomic_fetch_add(&live.pages, pages - old);
    harden_on_resize_large(span, bytes);
    return true;
}

static const struct object_kind large_kind = {
    .free = free_large,
    .usable_bytes = usable_bytes,
    .fits = fits,
    .resize = resize,
    .report = misuse_report_large,
};

void large_init(void)
{
    live = (struct large_stats){0};
    object_kind_register(SPAN_LARGE, &large_kind);
}
