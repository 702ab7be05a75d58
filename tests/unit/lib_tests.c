/* SPDX-License-Identifier: MIT */
/* lib/: bits, bitmaps against a plain model, text, lists, random numbers, stops, locks. */
#include "lib/bitmap.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "lib/format.h"
#include "lib/list.h"
#include "lib/memory.h"
#include "lib/random.h"
#include "lib/spinlock.h"
#include "tests/framework/test.h"

TEST(bits_round_and_count)
{
    EXPECT(bits_mask(0) == 0 && bits_mask(1) == 1 && bits_mask(63) == ~(uint64_t)0 >> 1);
    EXPECT(bits_mask(64) == ~(uint64_t)0);
    EXPECT(bits_lowest(0x50) == 4 && bits_highest(0x50) == 6);
    EXPECT(bits_count(0) == 0 && bits_count(~(uint64_t)0) == 64 && bits_count(0x8001) == 2);
    EXPECT(round_up(0, 8) == 0 && round_up(1, 8) == 8 && round_up(8, 8) == 8);
    EXPECT(round_down(15, 8) == 8);
    EXPECT(divide_up(UINT64_MAX, 2) == (UINT64_MAX >> 1) + 1);
    EXPECT(!is_power_of_two(0) && is_power_of_two(1) && !is_power_of_two(6));
}

/* ---- bitmaps, against an array of bool ---- */

struct model {
    bool set[BITMAP_BITS];
};

static struct bitmap_run model_run_from(const struct model *model, unsigned from)
{
    while (from < BITMAP_BITS && model->set[from])
        from++;
    unsigned end = from;
    while (end < BITMAP_BITS && !model->set[end])
        end++;
    return (struct bitmap_run){from, end - from};
}

static unsigned model_best_fit(const struct model *model, unsigned count, unsigned align)
{
    unsigned best = BITMAP_BITS;
    unsigned best_length = BITMAP_BITS + 1;
    for (unsigned at = 0; at < BITMAP_BITS;) {
        struct bitmap_run run = model_run_from(model, at);
        unsigned start = (run.first + align - 1) / align * align;
        if (run.length > 0 && start + count <= run.first + run.length && run.length < best_length) {
            best = start;
            best_length = run.length;
        }
        at = run.first + run.length + 1;
    }
    return best;
}

static void compare(const struct bitmap *map, const struct model *model, struct random *random)
{
    unsigned count = 0;
    struct bitmap_run longest = {0};
    for (unsigned i = 0; i < BITMAP_BITS; i++) {
        REQUIRE(bitmap_test(map, i) == model->set[i]);
        count += model->set[i];
        struct bitmap_run run = model_run_from(model, i);
        if (run.first == i && run.length > longest.length)
            longest = run;
        if (i % 7 == 0) {
            struct bitmap_run found = bitmap_next_clear_run(map, i);
            REQUIRE(found.length == run.length && (run.length == 0 || found.first == run.first));
        }
    }
    struct bitmap_run found = bitmap_longest_clear_run(map);
    REQUIRE(bitmap_count_set(map) == count);
    REQUIRE(found.length == longest.length &&
            (longest.length == 0 || found.first == longest.first));
    unsigned wanted = 1 + (unsigned)random_below(random, 40);
    unsigned align = 1u << random_below(random, 6);
    REQUIRE(bitmap_best_fit(map, wanted, align) == model_best_fit(model, wanted, align));
}

TEST(bitmap_agrees_with_a_model)
{
    struct bitmap map = {0};
    struct model model = {0};
    struct random random = random_seeded(1);
    for (unsigned round = 0; round < 1200; round++) {
        unsigned first = (unsigned)random_below(&random, BITMAP_BITS);
        /* At first few long runs, later many short ones. */
        unsigned most = round < 200 && round % 3 == 0 ? 300 : round < 200 ? 20 : 4;
        unsigned count = (unsigned)random_below(&random, most);
        count = (unsigned)min_u64(count, BITMAP_BITS - first);
        bool set = random_below(&random, 2) != 0;
        bool all_set = true;
        bool all_clear = true;
        for (unsigned i = first; i < first + count; i++) {
            all_set = all_set && model.set[i];
            all_clear = all_clear && !model.set[i];
            model.set[i] = set;
        }
        REQUIRE(bitmap_all_set(&map, first, count) == all_set);
        REQUIRE(bitmap_all_clear(&map, first, count) == all_clear);
        if (set)
            bitmap_set(&map, first, count);
        else
            bitmap_clear(&map, first, count);
        compare(&map, &model, &random);
    }
    bitmap_set(&map, 0, BITMAP_BITS);
    EXPECT(bitmap_longest_clear_run(&map).length == 0);
    EXPECT(bitmap_best_fit(&map, 1, 1) == BITMAP_BITS);
    bitmap_clear(&map, 0, BITMAP_BITS);
    EXPECT(bitmap_best_fit(&map, BITMAP_BITS, BITMAP_BITS) == 0);
}

/* ---- text ---- */

TEST(format_agrees_with_printf)
{
    char text[64];
    EXPECT(format_text(text, sizeof text, "%d %u %x %X", -5, 5u, 255u, 255u) == 10);
    EXPECT(text_equals(text, "-5 5 ff FF"));
    format_text(text, sizeof text, "[%5d|%-5d|%05d]", 42, 42, -42);
    EXPECT(text_equals(text, "[   42|42   |-0042]"));
    format_text(text, sizeof text, "%s|%.2s|%6s|%c|%%", "abc", "abc", "abc", 'z');
    EXPECT(text_equals(text, "abc|ab|   abc|z|%"));
    format_text(text, sizeof text, "%zu %lx %ld", (size_t)-1, ~0ul, -9223372036854775807l - 1);
    EXPECT(text_equals(text, "18446744073709551615 ffffffffffffffff -9223372036854775808"));
    format_text(text, sizeof text, "%p", (void *)(uintptr_t)0x1234);
    EXPECT(text_equals(text, "0x0000000000001234"));
    format_text(text, sizeof text, "%#x %#lX %#x", 0xau, 0xabul, 7u);
    EXPECT(text_equals(text, "0xa 0XAB 0x7"));
    format_text(text, sizeof text, "%*u", 4, 7u);
    EXPECT(text_equals(text, "   7"));
}

TEST(format_truncates_what_does_not_fit)
{
    char text[8] = "xxxxxxx";
    EXPECT(format_text(text, 4, "%s", "abcdef") == 3);
    EXPECT(text_equals(text, "abc") && text[4] == 'x');
    EXPECT(format_text(text, 1, "%d", 123456) == 0 && text[0] == 0);
    EXPECT(format_text(text, sizeof text, "%2000000000d", 1) == 7);
}

/* ---- lists, random numbers, stops, locks ---- */

TEST(list_keeps_order_and_allows_a_second_removal)
{
    struct list head, one, two;
    list_init(&head);
    list_push_front(&head, &one);
    list_push_back(&head, &two);
    EXPECT(head.next == &one && one.next == &two && two.next == &head);
    list_remove(&one);
    list_remove(&one);
    EXPECT(head.next == &two && head.previous == &two);
    list_remove(&two);
    EXPECT(list_is_empty(&head));
}

TEST(random_is_repeatable_and_uniform)
{
    struct random last = random_seeded(UINT64_MAX); /* the state must not become 0 */
    EXPECT(random_next(&last) != 0 && random_next(&last) != random_next(&last));
    EXPECT(text_equals("", "") && !text_equals("", "a") && !text_equals("a", "") &&
           text_equals("ab", "ab") && !text_equals("ab", "ac"));
    struct random one = random_seeded(7);
    struct random same_seed = random_seeded(7);
    unsigned buckets[16] = {0};
    for (unsigned i = 0; i < 16000; i++) {
        uint64_t value = random_below(&one, 16);
        REQUIRE(value == random_below(&same_seed, 16));
        buckets[value]++;
    }
    for (unsigned i = 0; i < 16; i++)
        EXPECT(buckets[i] > 800 && buckets[i] < 1200);
}

static void acquire_in_wrong_order(void *unused)
{
    (void)unused;
    static struct spinlock low, high;
    spinlock_init(&low, LOCK_RANK_CPUS);
    spinlock_init(&high, LOCK_RANK_PAGE_HEAP);
    spinlock_acquire(&high);
    spinlock_acquire(&low);
}

static void stop_while_reporting(void *unused)
{
    (void)unused;
    report_begin();
    report_add("a report that is not finished");
    stop_with("another");
}

TEST(stop_during_a_report_is_reported)
{
    test_expect_report(stop_while_reporting, NULL,
                       "quarry: a second stop, during the report of the first");
}

TEST(spinlock_ranks_are_checked_in_debug_builds)
{
    if (QUARRY_DEBUG)
        test_expect_stop(acquire_in_wrong_order, NULL, "lock of rank 1 taken while ranks");
    else
        test_skip("QUARRY_DEBUG is 0");
}
