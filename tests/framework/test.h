/* SPDX-License-Identifier: MIT */
/*
 * A small test framework: tests register themselves, run on the host and in the guest alike, and
 * report in TAP.
 *
 *     TEST(heap_gives_distinct_objects)
 *     {
 *         test_heap_fresh();
 *         void *one = quarry_alloc(10);
 *         REQUIRE(one != NULL);             leaves the test when it fails
 *         EXPECT(quarry_usable_size(one) >= 10);   notes the failure and goes on
 *     }
 *
 * REQUIRE returns from the function it stands in, so it is for functions that return void.
 */
#ifndef TESTS_FRAMEWORK_TEST_H
#define TESTS_FRAMEWORK_TEST_H

#include <stdbool.h>
#include <stddef.h>

struct test {
    const char *name;
    void (*run)(void);
};

/* The section's pointers are all tests there are; the linker puts them together. */
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

/* Notes a failure of the test that runs. Any CPU. */
void test_fail(const char *text, const char *file, int line);

/* Failures of the test that runs, or of a fuzz target outside any test, so far. */
unsigned test_failures(void);

/* Notes a failure if `passed` is false; returns `passed`. Any CPU. */
static inline bool test_check(bool passed, const char *text, const char *file, int line)
{
    if (!passed)
        test_fail(text, file, line);
    return passed;
}

/* Says why the test that runs cannot be done here: it counts as skipped. Then leave it. */
void test_skip(const char *why);

/* A line of comment in the output. */
void test_note(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

struct test_result {
    unsigned passed;
    unsigned failed;
    unsigned skipped;
};

/* Runs the tests whose names contain `filter` ("" for all); prints TAP and a last summary line. */
struct test_result test_run_all(const char *filter);

/* From now on test_run_all() ends with the first test that fails. */
void test_stop_at_first_failure(void);

/* ---- the heap under test ---- */

/* A heap as after quarry_init(), this CPU online, all other CPUs outside, all memory free. */
void test_heap_fresh(void);

/* Whether the fresh heap has so much memory that taking all of it would take too long; if so, the
 * test is skipped: leave it. */
bool test_skip_large_machine(void);

/* Frees what caches hold, on every CPU, and gives all idle memory back. */
void test_heap_settle(void);

/*
 * Runs `work`, which must stop with a report, and compares the report with `expected`: each of its
 * lines must be contained, in order. The heap is fresh afterwards. Fails the test if there is no
 * stop or another report.
 */
void test_expect_stop(void (*work)(void *argument), void *argument, const char *expected);

/* The same, but `expected` is the whole report, in which `*` stands for any text within a line. */
void test_expect_report(void (*work)(void *argument), void *argument, const char *expected);

#endif
