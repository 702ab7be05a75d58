/* SPDX-License-Identifier: MIT */
/*
 * What lives since a mark, by who allocated it: level 2 of hardening.
 *
 * Each object's record has the mark that was current when it was allocated. The report walks every
 * page of every arena by the page map, so it needs no list of objects, and adds each live object to
 * the entry of its caller. Few callers have most of the memory, so the entries are searched one
 * after the other, in the order of their coming.
 */
#include <quarry/guard.h>

#include "mm/debug/harden.h"
#include "mm/pages/arena.h"
#include "mm/pages/span.h"

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
        last->allocated_by = NULL; /* from now on it stands for several */
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

static void add_span(struct collection *collection, struct span *span)
{
    if (span->size_class == 0)
        add_object(collection, span_record(span, 0));
    for (unsigned slot = 0; slot < span->slots; slot++)
        if (span_slot_is_live(span, slot))
            add_object(collection, span_record(span, slot));
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
    for (size_t page = 0; capacity > 0 && page < page_map.bound;) {
        struct span *span = arena_span(page);
        if (span != NULL)
            add_span(&collection, span);
        page = span != NULL ? span->first_page + span->pages : page + 1;
    }
    count = collection.count;
    sort(leaks, count);
#else
    (void)mark, (void)leaks, (void)capacity;
#endif
    return count;
}
