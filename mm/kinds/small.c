/* SPDX-License-Identifier: MIT */
/* The operations of small objects; see small.h. */
#include "mm/kinds/small.h"

#include "mm/debug/harden.h"
#include "mm/debug/misuse.h"
#include "mm/objects/cpu_cache.h"
#include "mm/pages/object_kind.h"

#if QUARRY_HARDEN
static void free_to_magazine(void *object)
{
    unsigned cache_id = page_map_cache_id(object);
    if (unlikely(!quarry_port_push(cache_id, object)))
        cpu_cache_free_missed(cache_id, object);
}

void small_free(void *object, const void *caller)
{
    harden_on_free(object, caller);
    size_t bytes = cache_shapes[page_map_cache_id(object)].object_bytes;
    if (bytes <= QUARRY_QUARANTINE_BYTES_MAX)
        object = cpu_cache_quarantine(object);
    if (object != NULL)
        free_to_magazine(object);
}
#endif

/* Called only if the page map has the sentinel: the span is not published, or being destroyed. */
static void free_unpublished(struct span *span, void *object, const void *caller)
{
    (void)caller;
    misuse_stop("free", object, span);
}

static void check_slot(struct span *span, const void *object, const char *operation)
{
    if (unlikely(page_map_cache_id(object) != span->cache_id ||
                 span_slot_of(span, object) == span->slots))
        misuse_stop(operation, object, span);
}

static size_t usable_bytes(struct span *span, const void *object, const char *operation)
{
    check_slot(span, object, operation);
    return QUARRY_HARDEN ? harden_usable_bytes(operation, object) : span->object_bytes;
}

static bool fits(struct span *span, const void *object, size_t bytes)
{
    if (QUARRY_HARDEN >= 2)
        return bytes == usable_bytes(span, object, "sized free");
    if (span->cache_id >= SIZE_CLASS_COUNT)
        return bytes == span->object_bytes - HARDEN_TAIL_BYTES;
    return size_class_for(bytes) == span->cache_id;
}

/* An object stays only in its class: then its class follows from the size that was last asked for,
 * and a sized free can be checked. */
static bool resize(struct span *span, void *object, size_t bytes)
{
    if (size_class_for(bytes) != span->cache_id)
        return false;
    harden_on_resize(span, object, bytes);
    return true;
}

static const struct object_kind small_kind = {
    .free = free_unpublished,
    .usable_bytes = usable_bytes,
    .fits = fits,
    .resize = resize,
    .report = misuse_report_small,
};

void small_init(void)
{
    object_kind_register(SPAN_SMALL, &small_kind);
}
