/* SPDX-License-Identifier: MIT */
/* The test framework; see test.h. */
#include "tests/framework/test.h"

#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "lib/atomic.h"
#include "lib/format.h"
#include "tests/framework/platform.h"

extern const struct test *const __start_quarry_tests[];
extern const struct test *const __stop_quarry_tests[];

#define LINE_BYTES 1536

/* State of the current test. */
static unsigned failures;
static const char *skipped;

void test_note(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    format_text_list(line, sizeof line, format, arguments);
    va_end(arguments);
    platform_print("# ");
    platform_print(line);
    platform_print("\n");
}

void test_fail(const char *text, const char *file, int line)
{
    /* Only the first few are printed: a loop may fail a million times. */
    if (atomic_fetch_add(&failures, 1) < 5)
        test_note("%s:%d: failed: %s", file, line, text);
}

unsigned test_failures(void)
{
    return atomic_load_relaxed(&failures);
}

void test_skip(const char *why)
{
    skipped = why;
}

static bool contains(const char *text, const char *part, const char **after)
{
    for (; *text != 0; text++) {
        size_t i = 0;
        while (part[i] != 0 && part[i] != '\n' && text[i] == part[i])
            i++;
        if (part[i] == 0 || part[i] == '\n') {
            *after = text + i;
            return true;
        }
    }
    return part[0] == 0;
}

static void run_one(const struct test *test, unsigned total, struct test_result *result)
{
    unsigned number = result->passed + result->failed + result->skipped + 1;
    platform_progress(number, total, test->name);
    char line[LINE_BYTES];
    failures = 0;
    skipped = NULL;
    uint64_t start = platform_milliseconds();
    test->run();
    EXPECT(platform_interrupts_on());
    bool passed = failures == 0;
    if (!passed)
        result->failed++;
    else if (skipped != NULL)
        result->skipped++;
    else
        result->passed++;
    format_text(line, sizeof line, "%sok %u - %s (%lu ms)%s%s\n", passed ? "" : "not ", number,
                test->name, (unsigned long)(platform_milliseconds() - start),
                skipped != NULL ? " # SKIP " : "", skipped != NULL ? skipped : "");
    platform_print(line);
}

static bool is_wanted(const struct test *test, const char *filter)
{
    const char *after;
    return contains(test->name, filter, &after);
}

static bool stops_at_first_failure;

void test_stop_at_first_failure(void)
{
    stops_at_first_failure = true;
}

struct test_result test_run_all(const char *filter)
{
    const struct test *const *end = __stop_quarry_tests;
    unsigned total = 0;
    for (const struct test *const *test = __start_quarry_tests; test < end; test++)
        total += is_wanted(*test, filter);
    char line[LINE_BYTES];
    format_text(line, sizeof line, "1..%u\n", total);
    platform_print(line);
    struct test_result result = {0};
    for (const struct test *const *test = __start_quarry_tests; test < end; test++)
        if (is_wanted(*test, filter) && !(stops_at_first_failure && result.failed > 0))
            run_one(*test, total, &result);
    return result;
}

/* ---- the heap under test ---- */

void test_heap_fresh(void)
{
    struct quarry_setup setup;
    platform_setup(&setup);
    platform_forget_caches();
    enum quarry_status status = quarry_init(&setup);
    EXPECT(status == QUARRY_OK);
    quarry_frame_reclaim_boot_memory();
    EXPECT(quarry_cpu_online(quarry_port_cpu_number()) == QUARRY_OK);
}

struct quarry_memory_region test_largest_region(const struct quarry_setup *setup)
{
    struct quarry_memory_region largest = {0};
    for (size_t i = 0; i < setup->region_count; i++)
        if (setup->regions[i].kind == QUARRY_MEMORY_USABLE &&
            setup->regions[i].bytes > largest.bytes)
            largest = setup->regions[i];
    return largest;
}

bool test_skip_large_machine(void)
{
    const size_t most_frames = ((size_t)4 << 30) / QUARRY_FRAME_BYTES;
    bool large = quarry_frame_total_count() > most_frames;
    if (large)
        test_skip("more than 4 GiB of memory: filling it takes too long");
    return large;
}

void test_heap_drain(void)
{
    EXPECT(quarry_drain() == 0);
    quarry_scavenge();
}

/* ---- stops ---- */

/* The state to resume from, and the report. One test at a time. */
static void *resume[5];
static char seen_report[4096];

static void catch_stop(const char *report)
{
    format_text(seen_report, sizeof seen_report, "%s", report);
    __builtin_longjmp(resume, 1);
}

/* A separate function, because __builtin_setjmp() needs a frame of its own. True: it stopped. */
static __attribute__((__noinline__)) bool stops(void (*work)(void *argument), void *argument)
{
    if (__builtin_setjmp(resume) != 0)
        return true;
    work(argument);
    return false;
}

static bool lines_in_order(const char *text, const char *expected)
{
    while (*expected != 0) {
        if (!contains(text, expected, &text))
            return false;
        while (*expected != 0 && *expected != '\n')
            expected++;
        if (*expected == '\n')
            expected++;
    }
    return true;
}

/* Whether the whole text matches the pattern; `*` matches any text within a line. */
static bool matches_pattern(const char *text, const char *pattern)
{
    const char *star = NULL; /* the last star of this line; `retry`: where its text may end next */
    const char *retry = NULL;
    while (*text != 0) {
        if (*pattern == '*') {
            star = pattern++;
            retry = text;
        } else if (*pattern == *text) {
            if (*text == '\n')
                star = NULL;
            pattern++, text++;
        } else if (star != NULL && *retry != '\n') {
            pattern = star + 1;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}

/* It begins like a report and contains no second one. */
static bool is_one_report(const char *text)
{
    const char *after;
    return contains(text, "quarry: ", &after) && after == text + sizeof "quarry: " - 1 &&
           !contains(after, "quarry: ", &after);
}

typedef bool compare_function(const char *report, const char *expected);

static void expect(void (*work)(void *argument), void *argument, const char *expected,
                   compare_function *matches)
{
    uintptr_t irq = quarry_port_irq_save();
    quarry_port_irq_restore(irq);
    platform_on_stop(catch_stop);
    bool stopped = stops(work, argument);
    platform_on_stop(NULL);
    quarry_port_irq_restore(irq);
    bool as_expected = stopped && is_one_report(seen_report) && matches(seen_report, expected);
    if (!as_expected) {
        test_note("expected a stop with: %s", expected);
        test_note("seen: %s", stopped ? seen_report : "no stop");
    }
    EXPECT(as_expected);
    test_heap_fresh();
}

void test_expect_stop(void (*work)(void *argument), void *argument, const char *expected)
{
    expect(work, argument, expected, lines_in_order);
}

void test_expect_report(void (*work)(void *argument), void *argument, const char *expected)
{
    expect(work, argument, expected, matches_pattern);
}
