/* SPDX-License-Identifier: MIT */
/* Central lists: which span serves, which is kept, which goes, and what is done when pages are few.
 */
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

static size_t take(unsigned size_class, size_t count)
{
    size_t taken = 0;
    while (taken < count) {
        size_t got = central_list_alloc(size_class, count - taken, objects + taken);
        if (got == 0)
            break;
        taken += got;
    }
    return taken;
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

/* Two spans of the class, all slots taken, objects[] in the order of addresses: returns their
 * slots. */
static size_t two_full_spans(unsigned size_class)
{
    size_t slots =
        size_classes[size_class].span_pages * FRAME_BYTES / size_classes[size_class].bytes;
    EXPECT(take(size_class, 2 * slots) == 2 * slots);
    sort_by_address(2 * slots);
    EXPECT(span_of_address(objects[0]) != span_of_address(objects[slots]));
    EXPECT(central_list_sums(size_class).spans == 2);
    return slots;
}

/* The last partial span is kept, so one object that comes and goes does not make spans. */
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

/* A full span that gets a slot back serves next; one that is half empty serves last. */
TEST(central_list_prefers_the_fuller_span)
{
    test_heap_fresh();
    const unsigned size_class = 17;
    size_t slots = two_full_spans(size_class);
    const struct span *low = span_of_address(objects[0]);
    const struct span *high = span_of_address(objects[slots]);
    central_list_free(size_class, slots - slots / 2, objects); /* low: half of it */
    central_list_free(size_class, 1, objects + slots); /* high: was full, goes to the front */
    void *next[2];
    EXPECT(central_list_alloc(size_class, 1, next) == 1 && span_of_address(next[0]) == high);
    central_list_free(size_class, 1, next);
    /* Now the low one fills up, and loses one: it goes to the front ... */
    size_t missing = slots - slots / 2 + 1;
    EXPECT(take(size_class, missing) == missing);
    central_list_verify(size_class);
    void *low_object = (void *)span_slot_address(low, 0);
    void *high_object = (void *)span_slot_address(high, 0);
    central_list_free(size_class, 1, &high_object);
    central_list_free(size_class, 1, &low_object);
    EXPECT(central_list_alloc(size_class, 1, next) == 1 && span_of_address(next[0]) == low);
    central_list_free(size_class, 1, next);
    /* ... stays there while more come back ... */
    for (unsigned slot = 1; slot < 4; slot++) {
        void *object = (void *)span_slot_address(low, slot);
        central_list_free(size_class, 1, &object);
    }
    EXPECT(central_list_alloc(size_class, 1, next) == 1 && span_of_address(next[0]) == low);
    central_list_free(size_class, 1, next);
    /* ... and goes behind the other one when it has fallen to half. */
    for (unsigned slot = 4; slot < slots - slots / 2; slot++) {
        void *object = (void *)span_slot_address(low, slot);
        central_list_free(size_class, 1, &object);
    }
    EXPECT(low->used_slots == slots / 2);
    EXPECT(central_list_alloc(size_class, 1, next) == 1 && span_of_address(next[0]) == high);
    central_list_verify(size_class);
}

/* One span gives all that it has before the next is asked. */
TEST(central_list_takes_from_several_spans_at_once)
{
    test_heap_fresh();
    const unsigned size_class = 17;
    size_t slots = two_full_spans(size_class);
    central_list_free(size_class, 3, objects);
    central_list_free(size_class, 3, objects + slots);
    void *taken[10];
    size_t transactions = central_list_sums(size_class).transactions;
    EXPECT(central_list_alloc(size_class, 10, taken) == 6);
    EXPECT(central_list_sums(size_class).transactions == transactions + 1);
    EXPECT(central_list_alloc(size_class, 10, taken) == 10); /* a new span */
    EXPECT(central_list_sums(size_class).spans == 3);
    central_list_verify(size_class);
}

/* Where only short runs of pages are left, spans are shorter, down to a single object. */
TEST(central_list_makes_short_spans_of_what_is_left)
{
    test_heap_fresh();
    if (test_skip_large_machine())
        return;
    unsigned size_class = 2; /* 15 pages, usually */
    EXPECT(size_classes[size_class].span_pages == 15);
    /* All memory but single frames here and there, none beside another, and a run of three. */
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
    cpu_cache_drain_own(); /* single frames are cached, and it is not asked for them below */
    size_t taken = 0;
    unsigned lengths = 0; /* a bit per length of a span that was seen */
    for (; taken < MANY; taken++) {
        if (central_list_alloc(size_class, 1, &objects[taken]) == 0)
            break;
        lengths |= 1u << span_of_address(objects[taken])->pages;
    }
    EXPECT((taken > 0 || QUARRY_HARDEN == 2) && (lengths & ~(1u << 1 | 1u << 2 | 1u << 3)) == 0);
    central_list_verify(size_class);
    test_heap_fresh();
}
