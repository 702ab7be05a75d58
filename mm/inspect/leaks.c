/* SPDX-License-Identifier: MIT */
/*
 * Leaks: what was allocated since a mark and is still live, by the place that allocated it. Level 2
 * of hardening.
 *
 * Each object's record has the mark that was current when it was allocated. The report walks over
 * the heap and adds each live object to the entry of its caller. Few callers have most of the
 * memory, so the entries are searched one after the other, in the order in which they were found.
 */
#include <quarry/guard.h>

#include "mm/debug/harden.h"
#include "mm/inspect/walk.h"

#if QUARRY_HARDEN >= 2

struct collection {
    size_t mark;
    struct quarry_leak *leaks;
    size_t capacity;
    size_t count;
};

static struct quarry_leak *entry_of(struct collection *collection, const void *caller)
{
    for (size_t i = 0; i < collection->count; i++)
        if (collection->leaks[i].allocated_by == caller)
            return &collection->leaks[i];
    if (collection->count == collection->capacity) {
        struct quarry_leak *last = &collection->leaks[collection->capacity - 1];
        last->allocated_by = NULL; /* the entry of all further callers */
        return last;
    }
    struct quarry_leak *entry = &collection->leaks[collection->count++];
    *entry = (struct quarry_leak){.allocated_by = caller};
    return entry;
}

static void add_object(struct collection *collection, const struct object_record *record)
{
    if (record->mark < collection->mark)
        return;
    struct quarry_leak *entry = entry_of(collection, record->allocated_by);
    entry->objects++;
    entry->bytes += record->bytes;
}

static void visit_span(void *context, struct span *span)
{
    if (span->kind == SPAN_LARGE)
        add_object(context, span_record(span, 0));
}

static void visit_slot(void *context, struct span *span, unsigned slot)
{
    if (span_slot_is_live(span, slot))
        add_object(context, span_record(span, slot));
}

/* Most bytes first. There are few entries. */
static void sort(struct quarry_leak *leaks, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct quarry_leak moving = leaks[i];
        size_t at = i;
        for (; at > 0 && leaks[at - 1].bytes < moving.bytes; at--)
            leaks[at] = leaks[at - 1];
        leaks[at] = moving;
    }
}

#endif

size_t quarry_leak_mark(void)
{
#if QUARRY_HARDEN >= 2
    return harden_next_mark();
#else
    return 0;
#endif
}

size_t quarry_leak_report(size_t mark, struct quarry_leak *leaks, size_t capacity)
{
    size_t count = 0;
#if QUARRY_HARDEN >= 2
    struct collection collection = {.mark = mark, .leaks = leaks, .capacity = capacity};
    const struct heap_visitor visitor = {visit_span, visit_slot, &collection};
    if (capacity > 0)
        heap_walk(&visitor);
    count = collection.count;
    sort(leaks, count);
#else
    (void)mark, (void)leaks, (void)capacity;
#endif
    return count;
}
