/* SPDX-License-Identifier: MIT */
/*
 * A small test framework. Tests register themselves, run on the host and in the guest, and report
 * in TAP.
 *
 *     TEST(heap_gives_distinct_objects)
 *     {
 *         test_heap_fresh();
 *         void *one = quarry_alloc(10);
 *         REQUIRE(one != NULL);             returns from the test if false
 *         EXPECT(quarry_usable_size(one) >= 10);   records a failure if false
 *     }
 *
 * REQUIRE returns from the enclosing function, which must return void.
 */
#ifndef TESTS_FRAMEWORK_TEST_H
#define TESTS_FRAMEWORK_TEST_H

#include <stdbool.h>
#include <stddef.h>

#include <quarry/port.h>

struct test {
    const char *name;
    void (*run)(void);
};

/* The linker collects the pointers to all tests in one section. */
#define TEST(name)                                                                                 \
    static void name(void);                                                                        \
    static const struct test test_of_##name = {#name, name};                                       \
    __attribute__((section("quarry_tests"),                                                        \
                   used)) static const struct test *const pointer_to_##name = &test_of_##name;     \
    static void name(void)

#define EXPECT(condition) test_check((condition), #condition, __FILE__, __LINE__)

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!test_check((condition), #condition, __FILE__, __LINE__))                              \
            return;                                                                                \
    } while (0)

/* Records a failure of the current test. Any CPU. */
void test_fail(const char *text, const char *file, int line);

/* The number of failures of the current test, or of a fuzz target outside a test. */
unsigned test_failures(void);

/* Records a failure if `passed` is false. Returns `passed`. Any CPU. */
static inline bool test_check(bool passed, const char *text, const char *file, int line)
{
    if (!passed)
        test_fail(text, file, line);
    return passed;
}

/* Marks the current test as skipped, with the reason. The test returns afterwards. */
void test_skip(const char *why);

/* Prints a comment line. */
void test_note(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

struct test_result {
    unsigned passed;
    unsigned failed;
    unsigned skipped;
};

/* Runs the tests whose names contain `filter` ("" for all); prints TAP. */
struct test_result test_run_all(const char *filter);

/* Makes test_run_all() stop at the first test that fails. */
void test_stop_at_first_failure(void);

/* ---- the heap under test ---- */

/* Starts a fresh heap: all memory free, this CPU online, all other CPUs offline. */
void test_heap_fresh(void);

/* The longest usable region of the setup's memory map; empty if there is none. */
struct quarry_memory_region test_largest_region(const struct quarry_setup *setup);

/* Whether the fresh heap has too much memory to fill. If so, the test is marked as skipped and
 * returns afterwards. */
bool test_skip_large_machine(void);

/* Drains the caches of all CPUs and returns idle memory to the frame allocator. */
void test_heap_drain(void);

/*
 * Runs `work`, which must stop with a report. The report must contain each line of `expected`, in
 * this order. Otherwise the test fails. The heap is fresh afterwards.
 */
void test_expect_stop(void (*work)(void *argument), void *argument, const char *expected);

/* The same, but `expected` is a pattern of the whole report: `*` matches any text within a line. */
void test_expect_report(void (*work)(void *argument), void *argument, const char *expected);

#endif
