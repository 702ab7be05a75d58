/* SPDX-License-Identifier: MIT */
/* What the test programs of the hosted library share: expectations, counts, calls of malloc(). */
#ifndef TESTS_PRELOAD_TEST_H
#define TESTS_PRELOAD_TEST_H

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned passed;
static unsigned failed;

#define EXPECT(condition) expect(condition, #condition, __LINE__)

static inline void expect(bool holds, const char *condition, int line)
{
    if (holds)
        return;
    printf("# %d: failed: %s\n", line, condition);
    failed++;
}

static inline void run(const char *name, void (*test)(void))
{
    unsigned before = failed;
    test();
    bool good = failed == before;
    passed += good;
    failed = before + !good;
    printf("%s - preload %s\n", good ? "ok" : "not ok", name);
    fflush(stdout);
}

/* Through volatile pointers, because the compiler may optimise calls of malloc(). */
__attribute__((unused)) static void *(*volatile call_memalign)(size_t, size_t) = memalign;
__attribute__((unused)) static void *(*volatile call_aligned_alloc)(size_t, size_t) = aligned_alloc;
__attribute__((unused)) static void *(*volatile call_malloc)(size_t) = malloc;
__attribute__((unused)) static void *(*volatile call_calloc)(size_t, size_t) = calloc;
__attribute__((unused)) static void *(*volatile call_realloc)(void *, size_t) = realloc;
__attribute__((unused)) static void (*volatile call_free)(void *) = free;

/* The count that check.sh reads; returns the status of the program. */
static inline int finish(void)
{
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}

/* Runs the function in a child process; false: it was killed or did not end with status 0. A child
 * that hangs is killed after a time that no other child needs. */
static inline bool child_survives(void (*function)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        failed = 0;
        alarm(100);
        function();
        fflush(stdout);
        _exit(failed != 0);
    }
    int status = -1;
    return waitpid(pid, &status, 0) == pid && status == 0;
}

#endif
