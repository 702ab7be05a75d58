/* SPDX-License-Identifier: MIT */
/* The spans of each cache id; see central_list.h. */
#include "mm/objects/central_list.h"

#include "lib/check.h"
#include "mm/debug/harden.h"
#include "mm/debug/misuse.h"
#include "mm/frames/frame.h"
#include "mm/objects/cache_id.h"
#include "mm/pages/span.h"

static struct central_list central_lists[CACHE_IDS];

void central_lists_init(uint64_t seed)
{
    for (unsigned i = 0; i < CACHE_IDS; i++) {
        struct central_list *central = &central_lists[i];
        *central = (struct central_list){0};
        spinlock_init(&central->lock, LOCK_RANK_CENTRAL_LIST);
        central->random = random_seeded(seed + i);
        list_init(&central->partial);
        list_init(&central->full);
    }
}

/* ---- spans on the lists; the lock is held ---- */

static struct span *span_of_node(struct list *node)
{
    return container_of(node, struct span, link);
}

static void set_state(struct central_list *central, struct span *span, enum span_state state)
{
    list_remove(&span->link);
    span->state = (uint8_t)state;
    if (state == SPAN_PARTIAL)
        list_push_front(&central->partial, &span->link);
    else if (state == SPAN_FULL)
        list_push_front(&central->full, &span->link);
}

static void span_join(struct central_list *central, struct span *span)
{
    set_state(central, span, SPAN_PARTIAL);
    central->spans++;
    central->slots += span->slots;
    central->pages += span->pages;
}

static void span_leave(struct central_list *central, struct span *span)
{
    set_state(central, span, SPAN_UNLISTED);
    central->spans--;
    central->slots -= span->slots;
    central->pages -= span->pages;
}

static bool is_only_partial(const struct central_list *central)
{
    return central->partial.next == central->partial.previous;
}

/* ---- allocation ---- */

static size_t alloc_from_partial(struct central_list *central, size_t count, void *objects[])
{
    size_t allocated = 0;
    central->transactions++;
    while (allocated < count && !list_is_empty(&central->partial)) {
        struct span *span = span_of_node(central->partial.next);
        if (span == central->kept)
            central->kept = NULL;
        allocated += QUARRY_HARDEN ? span_alloc_random_slots(span, &central->random,
                                                             count - allocated, objects + allocated)
                                   : span_alloc_slots(span, count - allocated, objects + allocated);
        if (span->used_slots == span->slots)
            set_state(central, span, SPAN_FULL);
    }
    central->used_slots += allocated;
    return allocated;
}

/* Of the usual length; where no such run of pages is left, shorter, down to a single object. */
static struct span *create_span(unsigned cache_id)
{
    const struct cache_shape *shape = &cache_shapes[cache_id];
    size_t fewest = divide_up(shape->object_bytes, FRAME_BYTES);
    struct span *span = NULL;
    for (size_t pages = shape->span_pages; span == NULL; pages = max_u64(pages / 2, fewest)) {
        span = span_create_small(cache_id, shape->object_bytes, pages);
        if (pages == fewest)
            break;
    }
    return span;
}

static __attribute__((__noinline__)) size_t alloc_from_new_span(unsigned cache_id, size_t count,
                                                                void *objects[])
{
    struct central_list *central = &central_lists[cache_id];
    struct span *span = create_span(cache_id);
    if (span != NULL) {
        if (QUARRY_HARDEN)
            harden_span_created(span);
        span_publish(span);
    }
    irq_state irq = spinlock_acquire(&central->lock);
    if (span != NULL)
        span_join(central, span);
    size_t allocated = alloc_from_partial(central, count, objects);
    spinlock_release(&central->lock, irq);
    return allocated;
}

size_t central_list_alloc(unsigned cache_id, size_t count, void *objects[])
{
    struct central_list *central = &central_lists[cache_id];
    irq_state irq = spinlock_acquire(&central->lock);
    size_t allocated = alloc_from_partial(central, count, objects);
    spinlock_release(&central->lock, irq);
    return allocated > 0 ? allocated : alloc_from_new_span(cache_id, count, objects);
}

/* ---- freeing ---- */

/* The span and slot of an object of this id; stops if it is not an allocated one. */
static struct span *checked_span(unsigned cache_id, void *object, unsigned *slot)
{
    struct span *span = span_of_address(object);
    if (unlikely(span == NULL || span->cache_id != cache_id))
        misuse_stop("free", object, span);
    *slot = span_slot_of(span, object);
    if (unlikely(*slot == span->slots || !span_slot_used(span, *slot)))
        misuse_stop("free", object, span);
    return span;
}

/* Returns the span if it is empty now and leaves the list. */
static struct span *free_one(struct central_list *central, unsigned cache_id, void *object)
{
    unsigned slot;
    struct span *span = checked_span(cache_id, object, &slot);
    bool was_full = span->used_slots == span->slots;
    span_free_slot(span, slot);
    central->used_slots--;
    if (was_full) {
        set_state(central, span, SPAN_PARTIAL);
    } else if (span->used_slots == span->slots / 2) {
        list_remove(&span->link);
        list_push_back(&central->partial, &span->link);
    }
    if (span->used_slots > 0)
        return NULL;
    /* The only partial span is kept, unless it is a single object. */
    if (is_only_partial(central) && span->slots > 1) {
        central->kept = span;
        return NULL;
    }
    span_leave(central, span);
    return span;
}

/* Destroys spans that left the lists in one call, chained through their links. */
static void destroy_all(struct list *leaving)
{
    while (!list_is_empty(leaving)) {
        struct span *span = span_of_node(leaving->next);
        list_remove(&span->link);
        span_destroy(span);
    }
}

void central_list_free(unsigned cache_id, size_t count, void *const objects[])
{
    struct central_list *central = &central_lists[cache_id];
    struct list leaving;
    list_init(&leaving);
    irq_state irq = spinlock_acquire(&central->lock);
    central->transactions++;
    for (size_t i = 0; i < count; i++) {
        struct span *span = free_one(central, cache_id, objects[i]);
        if (span != NULL)
            list_push_front(&leaving, &span->link);
    }
    spinlock_release(&central->lock, irq);
    destroy_all(&leaving);
}

void central_list_drain(unsigned cache_id)
{
    struct central_list *central = &central_lists[cache_id];
    irq_state irq = spinlock_acquire(&central->lock);
    struct span *kept = central->kept;
    central->kept = NULL;
    if (kept != NULL)
        span_leave(central, kept);
    spinlock_release(&central->lock, irq);
    if (kept != NULL)
        span_destroy(kept);
}

void central_list_drain_if_idle(unsigned cache_id)
{
    struct central_list *central = &central_lists[cache_id];
    irq_state irq = spinlock_acquire(&central->lock);
    bool idle = central->transactions == central->transactions_seen;
    central->transactions_seen = central->transactions;
    spinlock_release(&central->lock, irq);
    if (idle)
        central_list_drain(cache_id);
}

/* ---- figures ---- */

struct central_list_sums central_list_sums(unsigned cache_id)
{
    struct central_list *central = &central_lists[cache_id];
    irq_state irq = spinlock_acquire(&central->lock);
    struct central_list_sums sums = {
        .spans = central->spans,
        .slots = central->slots,
        .used_slots = central->used_slots,
        .pages = central->pages,
        .transactions = central->transactions,
    };
    spinlock_release(&central->lock, irq);
    return sums;
}

static void verify_listed(struct central_list_sums *sums, const struct span *span,
                          unsigned cache_id, enum span_state state)
{
    bool full = span->used_slots == span->slots;
    CHECK((span->used_slots == 0) == (span == central_lists[cache_id].kept),
          "quarry: the span at %#zx, cache id %u, has %u of %u slots used, and the kept span is %p",
          span_address(span), cache_id, span->used_slots, span->slots,
          (const void *)central_lists[cache_id].kept);
    CHECK(span->state == state && full == (state == SPAN_FULL) && span->cache_id == cache_id,
          "quarry: the span at %#zx, cache id %u, %u of %u slots used, is on list %u of %u",
          span_address(span), span->cache_id, span->used_slots, span->slots, state, cache_id);
    sums->spans++;
    sums->slots += span->slots;
    sums->used_slots += span->used_slots;
    sums->pages += span->pages;
}

void central_list_verify(unsigned cache_id)
{
    struct central_list *central = &central_lists[cache_id];
    struct central_list_sums sums = {0};
    irq_state irq = spinlock_acquire(&central->lock);
    list_for_each (node, &central->partial)
        verify_listed(&sums, span_of_node(node), cache_id, SPAN_PARTIAL);
    list_for_each (node, &central->full)
        verify_listed(&sums, span_of_node(node), cache_id, SPAN_FULL);
    CHECK(sums.spans == central->spans && sums.slots == central->slots &&
              sums.used_slots == central->used_slots && sums.pages == central->pages,
          "quarry: central list %u counts %zu spans, %zu slots, %zu used; "
          "there are %zu, %zu, %zu",
          cache_id, central->spans, central->slots, central->used_slots, sums.spans, sums.slots,
          sums.used_slots);
    spinlock_release(&central->lock, irq);
}
