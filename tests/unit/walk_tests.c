/* SPDX-License-Identifier: MIT */
/* The walk over the heap visits each span and each slot once, in the order of addresses. */
#include "mm/inspect/walk.h"

#include <quarry/quarry.h>

#include "mm/objects/cpu_cache.h"
#include "mm/pages/page_heap.h"
#include "tests/framework/test.h"

struct counts {
    size_t spans;
    size_t large;
    size_t pages;
    size_t slots;
    size_t used_slots;
    size_t last_page; /* the end of the last span */
    bool in_order;
};

static void count_span(void *context, struct span *span)
{
    struct counts *counts = context;
    counts->in_order = counts->in_order && span->first_page >= counts->last_page;
    counts->last_page = span->first_page + span->pages;
    counts->spans++;
    counts->large += span->kind == SPAN_LARGE;
    counts->pages += span->pages;
}

static void count_slot(void *context, struct span *span, unsigned slot)
{
    struct counts *counts = context;
    counts->slots++;
    counts->used_slots += span_slot_used(span, slot);
}

static struct counts walk(void)
{
    struct counts counts = {.in_order = true};
    const struct heap_visitor visitor = {count_span, count_slot, &counts};
    heap_walk(&visitor);
    return counts;
}

TEST(heap_walk_of_an_empty_heap_visits_nothing)
{
    test_heap_fresh();
    struct counts counts = walk();
    EXPECT(counts.spans == 0 && counts.slots == 0);
}

TEST(heap_walk_visits_each_span_and_slot_once)
{
    static const size_t sizes[] = {8, 100, 4096, 40000, (size_t)2 << 20, (size_t)5 << 20};
    enum { SIZES = sizeof sizes / sizeof sizes[0], EACH = 40 };
    static void *objects[SIZES * EACH];
    test_heap_fresh();
    size_t count = 0;
    for (unsigned i = 0; i < SIZES; i++)
        for (unsigned k = 0; k < (sizes[i] > 40000 ? 2 : EACH); k++)
            objects[count++] = quarry_alloc(sizes[i]);
    for (size_t i = 0; i < count; i++)
        REQUIRE(objects[i] != NULL);
    struct counts counts = walk();
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPECT(counts.in_order && counts.spans == stats.spans);
    EXPECT(counts.large == stats.large_live_objects);
    EXPECT(counts.pages == page_heaps[0].owned_pages - page_heaps[0].free_pages);
    size_t cached = 0;
    size_t slots = 0;
    for (unsigned class = 1; class < quarry_class_count(); class ++) {
        struct quarry_class_stats class_stats;
        quarry_class_stats(class, &class_stats);
        cached += class_stats.cached_objects;
        slots += class_stats.cached_objects + class_stats.live_objects + class_stats.free_objects;
    }
    EXPECT(counts.slots == slots);
    EXPECT(counts.used_slots == cached + stats.small_live_objects);
    quarry_free_batch(count, objects);
    test_heap_drain();
    EXPECT(walk().spans == 0);
}

TEST(heap_walk_needs_no_function_for_slots)
{
    test_heap_fresh();
    void *object = quarry_alloc(100);
    struct counts counts = {.in_order = true};
    heap_walk(&(const struct heap_visitor){.span = count_span, .context = &counts});
    EXPECT(counts.spans == 1 && counts.slots == 0);
    quarry_free(object);
}
