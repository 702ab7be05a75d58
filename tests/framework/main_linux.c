/* SPDX-License-Identifier: MIT */
/*
 * The program that runs the tests on the host:
 *
 *     run-tests [filter] [stress=SECONDS] [first]   "first": stop at the first failure
 *     run-tests replay object|frame|map FILE...     run a fuzz target on each file
 *     run-tests random object|frame|map SEED COUNT  random inputs; the first failure is shrunk
 *     run-tests shrink object|frame|map FILE        print the shortest failing part as C
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/framework/test.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/shrink_linux.h"
#include "tests/stress/stress.h"

#define INPUT_BYTES_MAX (1u << 20)

static int run(int count, char **arguments)
{
    const char *filter = "";
    for (int i = 1; i < count; i++) {
        if (strncmp(arguments[i], "stress=", 7) == 0)
            stress_set_seconds((unsigned)strtoul(arguments[i] + 7, NULL, 10));
        else if (strcmp(arguments[i], "first") == 0)
            test_stop_at_first_failure();
        else
            filter = arguments[i];
    }
    struct test_result result = test_run_all(filter);
    printf("%u passed, %u failed, %u skipped\n", result.passed, result.failed, result.skipped);
    return result.failed == 0 && result.passed > 0 ? 0 : 1;
}

static bool replay_file(fuzz_target *target, const char *name)
{
    static unsigned char input[INPUT_BYTES_MAX];
    FILE *file = fopen(name, "rb");
    if (file == NULL) {
        perror(name);
        return false;
    }
    size_t bytes = fread(input, 1, sizeof input, file);
    fclose(file);
    unsigned failures_before = test_failures();
    target(input, bytes);
    bool passed = test_failures() == failures_before;
    printf("%sok - %s\n", passed ? "" : "not ", name);
    return passed;
}

static fuzz_target *target_named(const char *name)
{
    fuzz_target *target = fuzz_find(name);
    if (target == NULL) {
        fprintf(stderr, "no fuzz target is named %s\n", name);
        exit(2);
    }
    return target;
}

static int replay(int count, char **arguments)
{
    fuzz_target *target = target_named(arguments[2]);
    unsigned passed = 0;
    for (int i = 3; i < count; i++)
        passed += replay_file(target, arguments[i]);
    printf("%u passed, %u failed\n", passed, (unsigned)count - 3 - passed);
    return passed == (unsigned)count - 3 ? 0 : 1;
}

int main(int count, char **arguments)
{
    if (count > 3 && strcmp(arguments[1], "replay") == 0)
        return replay(count, arguments);
    if (count == 5 && strcmp(arguments[1], "random") == 0)
        return shrink_random(arguments[2], target_named(arguments[2]),
                             (unsigned)strtoul(arguments[3], NULL, 10),
                             (unsigned)strtoul(arguments[4], NULL, 10));
    if (count == 4 && strcmp(arguments[1], "shrink") == 0)
        return shrink_file(arguments[2], target_named(arguments[2]), arguments[3]);
    return run(count, arguments);
}
