/* SPDX-License-Identifier: MIT */
/* One child: claims of every order, and every undo of a claim across words of the bitmap. */
#include "lib/bits.h"
#include "mm/frames/frame_child.h"
#include "tests/framework/test.h"

TEST(child_bits_can_be_filled_with_every_order)
{
    for (unsigned order = 0; order < CHILD_SHIFT; order++) {
        struct bitmap bits = {0};
        unsigned count = 1u << order;
        for (unsigned i = 0; i < CHILD_FRAMES / count; i++) {
            unsigned first = child_bits_take(&bits, order);
            REQUIRE(first == i * count);
        }
        REQUIRE(child_bits_take(&bits, order) == CHILD_FRAMES);
        REQUIRE(bitmap_count_set(&bits) == CHILD_FRAMES);
        REQUIRE(child_bits_give(&bits, CHILD_FRAMES - count, count) == CHILD_FRAMES);
        REQUIRE(child_bits_take(&bits, order) == CHILD_FRAMES - count);
    }
}

TEST(child_bits_find_the_only_aligned_run)
{
    for (unsigned order = 0; order < CHILD_SHIFT; order++) {
        unsigned count = 1u << order;
        for (unsigned place = 0; place < CHILD_FRAMES; place += count) {
            struct bitmap bits;
            for (unsigned i = 0; i < BITMAP_WORDS; i++)
                bits.word[i] = ~(uint64_t)0;
            bitmap_clear(&bits, place, count);
            /* With one frame less there is no run. */
            bitmap_set(&bits, place, 1);
            REQUIRE(child_bits_take(&bits, order) == CHILD_FRAMES);
            bitmap_clear(&bits, place, 1);
            REQUIRE(child_bits_take(&bits, order) == place);
        }
    }
}

/* One frame of [first, first + count) is allocated, at each place in turn. A claim of the range
 * must fail and leave every bit unchanged. */
TEST(child_bits_failed_claim_changes_no_bit)
{
    static const unsigned ranges[][2] = {{0, 512}, {0, 128}, {128, 256},
                                         {60, 10}, {3, 500}, {64, 64}};
    for (unsigned i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        unsigned first = ranges[i][0];
        unsigned count = ranges[i][1];
        for (unsigned allocated = first; allocated < first + count; allocated++) {
            struct bitmap bits = {0};
            bitmap_set(&bits, allocated, 1);
            if (first > 0)
                bitmap_set(&bits, first - 1, 1);
            struct bitmap before = bits;
            REQUIRE(!child_bits_take_exact(&bits, first, count));
            for (unsigned word = 0; word < BITMAP_WORDS; word++)
                REQUIRE(bits.word[word] == before.word[word]);
        }
    }
}

TEST(child_bits_give_returns_the_frame_that_was_free)
{
    struct bitmap bits = {0};
    bitmap_set(&bits, 10, 200);
    bitmap_clear(&bits, 150, 1);
    EXPECT(child_bits_give(&bits, 20, 100) == CHILD_FRAMES);
    EXPECT(child_bits_give(&bits, 130, 60) == 150);
    EXPECT(child_bits_give(&bits, 20, 1) == 20);
}

TEST(child_entry_refuses_more_than_is_free)
{
    child_entry entry = (child_entry)CHILD_FRAMES;
    EXPECT(child_take(&entry, 500) && !child_take(&entry, 13) && child_take(&entry, 12));
    EXPECT(child_free(entry) == 0 && !child_take_huge(&entry) && !child_give_huge(&entry));
    child_give(&entry, 512);
    EXPECT(child_take_huge(&entry) && !child_take(&entry, 1) && !child_take_huge(&entry));
    EXPECT(child_give_huge(&entry) && entry == CHILD_FRAMES);
    entry = (child_entry)(CHILD_FRAMES | CHILD_HOLES);
    EXPECT(!child_take_huge(&entry));
}
