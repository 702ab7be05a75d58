/* SPDX-License-Identifier: MIT */
/* The spans of each size class; see central_list.h. */
#include "mm/objects/central_list.h"

#include "lib/check.h"
#include "mm/debug/harden.h"
#include "mm/debug/misuse.h"
#include "mm/frames/frame.h"
#include "mm/objects/size_class.h"
#include "mm/pages/span.h"

static struct central_list central_lists[SIZE_CLASS_COUNT];

void central_lists_init(uint64_t seed)
{
    for (unsigned i = 0; i < SIZE_CLASS_COUNT; i++) {
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

static void put_on(struct central_list *central, struct span *span, enum span_list list)
{
    list_remove(&span->link);
    span->list = (uint8_t)list;
    if (list == SPAN_PARTIAL)
        list_push_front(&central->partial, &span->link);
    else if (list == SPAN_FULL)
        list_push_front(&central->full, &span->link);
}

static void span_join(struct central_list *central, struct span *span)
{
    put_on(central, span, SPAN_PARTIAL);
    central->spans++;
    central->slots += span->slots;
    central->pages += span->pages;
}

static void span_leave(struct central_list *central, struct span *span)
{
    put_on(central, span, SPAN_ON_NO_LIST);
    central->spans--;
    central->slots -= span->slots;
    central->pages -= span->pages;
}

static bool is_only_partial(const struct central_list *central)
{
    return central->partial.next == central->partial.previous;
}

/* ---- taking ---- */

static size_t take_from_partial(struct central_list *central, size_t count, void *objects[])
{
    size_t taken = 0;
    central->takings++;
    while (taken < count && !list_is_empty(&central->partial)) {
        struct span *span = span_of_node(central->partial.next);
        taken += QUARRY_HARDEN ? span_alloc_random_slots(span, &central->random, count - taken,
                                                         objects + taken)
                               : span_alloc_slots(span, count - taken, objects + taken);
        if (span->used_slots == span->slots)
            put_on(central, span, SPAN_FULL);
    }
    central->used_slots += taken;
    return taken;
}

/* The usual length; where no such run of pages is left, shorter, down to a single object. */
static struct span *create_span(unsigned size_class)
{
    const struct size_class *class = &size_classes[size_class];
    size_t fewest = divide_up(class->bytes, FRAME_BYTES);
    struct span *span = NULL;
    for (size_t pages = class->span_pages; span == NULL; pages = max_u64(pages / 2, fewest)) {
        span = span_create_small(size_class, class->bytes, pages);
        if (pages == fewest)
            break;
    }
    return span;
}

static __attribute__((__noinline__)) size_t take_from_new_span(unsigned size_class, size_t count,
                                                               void *objects[])
{
    struct central_list *central = &central_lists[size_class];
    struct span *span = create_span(size_class);
    if (span != NULL) {
        harden_span_created(span);
        span_publish(span);
    }
    irq_state irq = spinlock_acquire(&central->lock);
    if (span != NULL)
        span_join(central, span);
    size_t taken = take_from_partial(central, count, objects);
    spinlock_release(&central->lock, irq);
    return taken;
}

size_t central_list_alloc(unsigned size_class, size_t count, void *objects[])
{
    struct central_list *central = &central_lists[size_class];
    irq_state irq = spinlock_acquire(&central->lock);
    size_t taken = take_from_partial(central, count, objects);
    spinlock_release(&central->lock, irq);
    return taken > 0 ? taken : take_from_new_span(size_class, count, objects);
}

/* ---- giving ---- */

/* The span of an object that claims to be of this class; stops where it is not. */
static struct span *checked_span(unsigned size_class, void *object, unsigned *slot)
{
    struct span *span = span_of_address(object);
    if (unlikely(span == NULL || span->size_class != size_class))
        misuse_stop("free", object);
    *slot = span_slot_of(span, object);
    if (unlikely(*slot == span->slots || !span_slot_used(span, *slot)))
        misuse_stop("free", object);
    return span;
}

/* Returns the span if it is now empty and to be destroyed. */
static struct span *give_one(struct central_list *central, unsigned size_class, void *object)
{
    unsigned slot;
    struct span *span = checked_span(size_class, object, &slot);
    bool was_full = span->used_slots == span->slots;
    span_free_slot(span, slot);
    central->used_slots--;
    if (was_full) {
        put_on(central, span, SPAN_PARTIAL);
    } else if (span->used_slots == span->slots / 2) {
        list_remove(&span->link);
        list_push_back(&central->partial, &span->link);
    }
    /* One empty span is kept, lest the next object need a new one; but not if it is one object. */
    if (span->used_slots > 0 || (is_only_partial(central) && span->slots > 1))
        return NULL;
    span_leave(central, span);
    return span;
}

/* Spans that left the lists in one call, chained through their links. */
static void destroy_all(struct list *leaving)
{
    while (!list_is_empty(leaving)) {
        struct span *span = span_of_node(leaving->next);
        list_remove(&span->link);
        span_destroy(span);
    }
}

void central_list_free(unsigned size_class, size_t count, void *const objects[])
{
    struct central_list *central = &central_lists[size_class];
    struct list leaving;
    list_init(&leaving);
    irq_state irq = spinlock_acquire(&central->lock);
    central->takings++;
    for (size_t i = 0; i < count; i++) {
        struct span *span = give_one(central, size_class, objects[i]);
        if (span != NULL)
            list_push_front(&leaving, &span->link);
    }
    spinlock_release(&central->lock, irq);
    destroy_all(&leaving);
}

void central_list_drain(unsigned size_class)
{
    struct central_list *central = &central_lists[size_class];
    struct list leaving;
    list_init(&leaving);
    irq_state irq = spinlock_acquire(&central->lock);
    struct list *node = central->partial.next;
    while (node != &central->partial) {
        struct span *span = span_of_node(node);
        node = node->next;
        if (span->used_slots == 0) {
            span_leave(central, span);
            list_push_front(&leaving, &span->link);
        }
    }
    spinlock_release(&central->lock, irq);
    destroy_all(&leaving);
}

void central_list_drain_if_idle(unsigned size_class)
{
    struct central_list *central = &central_lists[size_class];
    irq_state irq = spinlock_acquire(&central->lock);
    bool idle = central->takings == central->takings_seen;
    central->takings_seen = central->takings;
    spinlock_release(&central->lock, irq);
    if (idle)
        central_list_drain(size_class);
}

/* ---- figures ---- */

struct central_list_sums central_list_sums(unsigned size_class)
{
    struct central_list *central = &central_lists[size_class];
    irq_state irq = spinlock_acquire(&central->lock);
    struct central_list_sums sums = {
        .spans = central->spans,
        .slots = central->slots,
        .used_slots = central->used_slots,
        .pages = central->pages,
        .takings = central->takings,
    };
    spinlock_release(&central->lock, irq);
    return sums;
}

static void add_span(struct central_list_sums *sums, struct span *span, unsigned size_class,
                     enum span_list list)
{
    span_verify(span);
    harden_verify_span(span);
    bool full = span->used_slots == span->slots;
    CHECK(span->list == list && full == (list == SPAN_FULL) && span->size_class == size_class,
          "quarry: the span at %#zx, class %u, %u of %u slots used, is on list %u of %u",
          span_address(span), span->size_class, span->used_slots, span->slots, list, size_class);
    sums->spans++;
    sums->slots += span->slots;
    sums->used_slots += span->used_slots;
    sums->pages += span->pages;
}

void central_list_verify(unsigned size_class)
{
    struct central_list *central = &central_lists[size_class];
    struct central_list_sums sums = {0};
    irq_state irq = spinlock_acquire(&central->lock);
    list_for_each (node, &central->partial)
        add_span(&sums, span_of_node(node), size_class, SPAN_PARTIAL);
    list_for_each (node, &central->full)
        add_span(&sums, span_of_node(node), size_class, SPAN_FULL);
    CHECK(sums.spans == central->spans && sums.slots == central->slots &&
              sums.used_slots == central->used_slots && sums.pages == central->pages,
          "quarry: central list %u counts %zu spans, %zu slots, %zu used; "
          "there are %zu, %zu, %zu",
          size_class, central->spans, central->slots, central->used_slots, sums.spans, sums.slots,
          sums.used_slots);
    spinlock_release(&central->lock, irq);
}
