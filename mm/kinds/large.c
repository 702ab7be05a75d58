/* SPDX-License-Identifier: MIT */
/* Large objects; see large.h. */
#include "mm/kinds/large.h"

#include "lib/atomic.h"
#include "lib/bits.h"
#include "mm/debug/harden.h"
#include "mm/debug/misuse.h"
#include "mm/pages/span.h"

/* Sums over all live large objects; atomic. */
static struct large_stats live;

void large_init(void)
{
    live = (struct large_stats){0};
}

struct large_stats large_stats(void)
{
    return (struct large_stats){atomic_load_relaxed(&live.objects),
                                atomic_load_relaxed(&live.pages)};
}

/* From level 1 of hardening on there is room for a canary behind the object. */
static size_t pages_for(size_t bytes)
{
    size_t pages = divide_up(bytes, FRAME_BYTES);
    return pages + (pages * FRAME_BYTES < bytes + HARDEN_TAIL_BYTES);
}

void *large_alloc(size_t bytes, size_t alignment, const void *caller)
{
    size_t pages = pages_for(bytes);
    if (pages > page_map.capacity)
        return NULL;
    struct span *span = span_create_large(pages, max_u64(alignment >> FRAME_SHIFT, 1));
    if (span == NULL)
        return NULL;
    atomic_fetch_add(&live.objects, 1);
    atomic_fetch_add(&live.pages, pages);
    harden_hand_out_large(span, bytes, caller);
    return (void *)span_address(span);
}

struct span *large_span(const char *operation, const void *object)
{
    struct span *span = span_of_address(object);
    bool lives = span != NULL && span->size_class == 0 && span_address(span) == (uintptr_t)object &&
                 atomic_load_relaxed(&span->list) == SPAN_LARGE;
    if (unlikely(!lives))
        misuse_stop(operation, object);
    return span;
}

void large_free(void *object, const void *caller)
{
    struct span *span = large_span("free", object);
    /* Of two CPUs that free the same object, one gets no further than this. */
    if (unlikely(atomic_exchange(&span->list, SPAN_ON_NO_LIST) != SPAN_LARGE))
        misuse_stop("free", object);
    harden_take_back_large("free", span, caller);
    atomic_fetch_sub(&live.objects, 1);
    atomic_fetch_sub(&live.pages, span->pages);
    span_destroy(span);
}

size_t large_usable_bytes(const struct span *span)
{
    return span->pages * FRAME_BYTES;
}

bool large_resize(struct span *span, size_t bytes)
{
    size_t old = span->pages;
    size_t pages = max_u64(pages_for(bytes), 1);
    if (pages > page_map.capacity || !span_resize(span, pages))
        return false;
    atomic_fetch_add(&live.pages, pages - old);
    harden_resize((void *)span_address(span), bytes);
    return true;
}
