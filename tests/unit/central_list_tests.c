/* SPDX-License-Identifier: MIT */
/* Central lists: which span allocates next, which empty span is kept, and spans when few pages are
 * free. */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/quarry.h>

#include "mm/frames/frames.h"
#include "mm/objects/central_list.h"
#include "mm/objects/cpu_cache.h"
#include "mm/objects/size_class.h"
#include "mm/pages/span.h"
#include "tests/framework/test.h"

#define MANY 2000u

static void *objects[MANY];

static size_t alloc_objects(unsigned size_class, size_t count)
{
    size_t allocated = 0;
    while (allocated < count) {
        size_t more = central_list_alloc(size_class, count - allocated, objects + allocated);
        if (more == 0)
            break;
        allocated += more;
    }
    return allocated;
}

static void sort_by_address(size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t at = i; at > 0 && (uintptr_t)objects[at - 1] > (uintptr_t)objects[at]; at--) {
            void *moving = objects[at];
            objects[at] = objects[at - 1];
            objects[at - 1] = moving;
        }
}

/* Allocates all slots of two spans, into objects[] in the order of addresses. Returns the slots of
 * one span. */
static size_t two_full_spans(unsigned size_class)
{
    size_t slots =
        size_classes[size_class].span_pages * FRAME_BYTES / size_classes[size_class].bytes;
    EXPECT(alloc_objects(size_class, 2 * slots) == 2 * slots);
    sort_by_address(2 * slots);
    EXPECT(span_of_address(objects[0]) != span_of_address(objects[slots]));
    EXPECT(central_list_sums(size_class).spans == 2);
    return slots;
}

/* The last partial span is kept, so that an object that is allocated and freed again and again does
 * not create spans. */
TEST(central_list_keeps_one_empty_span)
{
    test_heap_fresh();
    const unsigned size_class = 17;
    size_t slots = two_full_spans(size_class);
    central_list_free(size_class, slots, objects);
    EXPECT(central_list_sums(size_class).spans == 2 &&
           central_list_sums(size_class).used_slots == slots);
    central_list_free(size_class, slots, objects + slots);
    EXPECT(central_list_sums(size_class).spans == 1);
    central_list_verify(size_class);
    central_list_drain(size_class);
    EXPECT(central_list_sums(size_class).spans == 0 && central_list_sums(size_class).pages == 0);
}

/* A full span with a freed slot allocates next. A half empty span allocates last. */
TEST(central_list_prefers_the_fuller_span)
{
    test_heap_fresh();
    const unsigned size_class = 17;
    size_t slots = two_full_spans(size_class);
    const struct span *low = span_of_address(objects[0]);
    const struct span *high = span_of_address(objects[slots]);
    central_list_free(size_class, slots - slots / 2, objects); /* half of the low span */
    central_list_free(size_class, 1, objects + slots); /* the high span was full: to the front */
    void *next[2];
    EXPECT(central_list_alloc(size_class, 1, next) == 1 && span_of_address(next[0]) == high);
    central_list_free(size_class, 1, next);
    /* The low span becomes full, then one slot is freed: it moves to the front. */
    size_t missing = slots - slots / 2 + 1;
    EXPECT(alloc_objects(size_class, missing) == missing);
    central_list_verify(size_class);
    void *low_object = (void *)span_slot_address(low, 0);
    void *high_object = (void *)span_slot_address(high, 0);
    central_list_free(size_class, 1, &high_object);
    central_list_free(size_class, 1, &low_object);
    EXPECT(central_list_alloc(size_class, 1, next) == 1 && span_of_address(next[0]) == low);
    central_list_free(size_class, 1, next);
    /* It stays there while more slots are freed. */
    for (unsigned slot = 1; slot < 4; slot++) {
        void *object = (void *)span_slot_address(low, slot);
        central_list_free(size_class, 1, &object);
    }
    EXPECT(central_list_alloc(size_class, 1, next) == 1 && span_of_address(next[0]) == low);
    central_list_free(size_class, 1, next);
    /* It moves behind the other span when half of its slots are free. */
    for (unsigned slot = 4; slot < slots - slots / 2; slot++) {
        void *object = (void *)span_slot_address(low, slot);
        central_list_free(size_class, 1, &object);
    }
    EXPECT(low->used_slots == slots / 2);
    EXPECT(central_list_alloc(size_class, 1, next) == 1 && span_of_address(next[0]) == high);
    central_list_verify(size_class);
}

/* All free slots of one span are used before the next span. */
TEST(central_list_allocates_from_several_spans_at_once)
{
    test_heap_fresh();
    const unsigned size_class = 17;
    size_t slots = two_full_spans(size_class);
    central_list_free(size_class, 3, objects);
    central_list_free(size_class, 3, objects + slots);
    void *allocated[10];
    size_t transactions = central_list_sums(size_class).transactions;
    EXPECT(central_list_alloc(size_class, 10, allocated) == 6);
    EXPECT(central_list_sums(size_class).transactions == transactions + 1);
    EXPECT(central_list_alloc(size_class, 10, allocated) == 10); /* a new span */
    EXPECT(central_list_sums(size_class).spans == 3);
    central_list_verify(size_class);
}

/* When only short runs of pages are left, spans are shorter, down to a single object. */
TEST(central_list_makes_short_spans_of_short_runs)
{
    test_heap_fresh();
    if (test_skip_large_machine())
        return;
    unsigned size_class = 2;
    EXPECT(size_classes[size_class].span_pages == 15);
    /* Allocate all memory but some single frames, no two of them adjacent, and a run of three. */
    while (quarry_frame_alloc(QUARRY_ORDER_HUGE) != 0)
        continue;
    uint64_t four = quarry_frame_alloc(2);
    uint64_t apart[20] = {0};
    unsigned count = 0;
    unsigned kept = 0;
    uint64_t frame;
    while ((frame = quarry_frame_alloc(0)) != 0)
        if (++count % 8 == 0 && kept < 20)
            apart[kept++] = frame;
    REQUIRE(four != 0 && kept > 5);
    quarry_frame_free_range(four, 3);
    while (kept > 0)
        quarry_frame_free(apart[--kept], 0);
    cpu_cache_drain_own(); /* no single frames stay in the cache */
    size_t allocated = 0;
    unsigned lengths = 0; /* bit N: there was a span of N pages */
    for (; allocated < MANY; allocated++) {
        if (central_list_alloc(size_class, 1, &objects[allocated]) == 0)
            break;
        lengths |= 1u << span_of_address(objects[allocated])->pages;
    }
    EXPECT((allocated > 0 || QUARRY_HARDEN == 2) &&
           (lengths & ~(1u << 1 | 1u << 2 | 1u << 3)) == 0);
    central_list_verify(size_class);
    test_heap_fresh();
}
