/* SPDX-License-Identifier: MIT */
/*
 * A test program for the hosted library: memory that returns to Linux, memory that is not touched,
 * and limits of the process. Loops have a bound that only a failure reaches.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/preload/test.h"

#define MIB ((size_t)1 << 20)

static size_t resident_mib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    size_t all = 0, resident = 0;
    EXPECT(file != NULL && fscanf(file, "%zu %zu", &all, &resident) == 2);
    if (file != NULL)
        fclose(file);
    return resident * 4096 / MIB;
}

static void *touched(size_t bytes)
{
    return memset(call_malloc(bytes), 1, bytes);
}

/* ---- large objects ---- */

enum { LARGE = 40 };

static void large_objects_return(void)
{
    void *objects[LARGE];
    size_t before = resident_mib();
    for (unsigned i = 0; i < LARGE; i++)
        objects[i] = touched(10 * MIB);
    EXPECT(resident_mib() >= before + 390);
    for (unsigned i = 0; i < LARGE; i++)
        call_free(objects[i]);
    EXPECT(resident_mib() <= before + 80); /* some is kept, as glibc does */
    malloc_trim(0);
    EXPECT(resident_mib() <= before + 10);
}

static void shrunk_objects_return(void)
{
    void *objects[LARGE];
    size_t before = resident_mib();
    for (unsigned i = 0; i < LARGE; i++)
        objects[i] = call_realloc(touched(10 * MIB), i % 2 ? 1000 : 4 * MIB - 100);
    EXPECT(resident_mib() <= before + LARGE / 2 * 4 + 80);
    malloc_trim(0);
    EXPECT(resident_mib() <= before + LARGE / 2 * 4 + 10);
    for (unsigned i = 0; i < LARGE; i++)
        call_free(objects[i]);
    malloc_trim(0);
    EXPECT(resident_mib() <= before + 10);
}

/* Each begins with a small heap. */
static void large_objects(void)
{
    EXPECT(child_survives(large_objects_return));
    EXPECT(child_survives(shrunk_objects_return));
}

static bool is_zero(const char *object, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (object[i] != 0)
            return false;
    return true;
}

static void calloc_does_not_touch(void)
{
    size_t before = resident_mib();
    char *object = call_calloc(1, 1024 * MIB);
    EXPECT(object != NULL && object[500 * MIB] == 0);
    object[1234] = 1;
    EXPECT(resident_mib() <= before + 10);
    call_free(object);
    static const size_t sizes[] = {2 * MIB - 100, 2 * MIB, 3000000, 5 * MIB + 1, 40000000};
    for (unsigned i = 0; i < 3 * sizeof sizes / sizeof sizes[0]; i++) {
        size_t bytes = sizes[i % (sizeof sizes / sizeof sizes[0])];
        call_free(touched(bytes + i % 3 * MIB));
        object = call_calloc(1, bytes);
        EXPECT(is_zero(object, bytes));
        memset(object, 1, bytes);
        object = call_realloc(object, bytes / 2);
        call_free(object);
    }
    malloc_trim(0);
}

/* ---- by time ---- */

enum { SMALL = 100000, SMALL_BYTES = 2000 };

static void free_a_peak(void)
{
    static void *objects[SMALL];
    for (unsigned i = 0; i < SMALL; i++)
        objects[i] = touched(SMALL_BYTES);
    for (unsigned i = 0; i < SMALL; i++)
        call_free(objects[i]);
}

/* The peak's memory returns while each allocation hits the cache. */
static void returns_while_allocations_hit(void)
{
    size_t before = resident_mib();
    free_a_peak();
    for (unsigned round = 0; round < 3000 && resident_mib() > before + 60; round++) {
        for (unsigned i = 0; i < 1000; i++)
            call_free(call_malloc(64));
        usleep(10000);
    }
    EXPECT(resident_mib() <= before + 60);
}

static void by_time(void)
{
    EXPECT(child_survives(returns_while_allocations_hit)); /* in the child of a fork */
    returns_while_allocations_hit();
    EXPECT(child_survives(returns_while_allocations_hit)); /* whose parent had the thread */
}

static unsigned thread_count(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/task");
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static void frees_without_thread(void)
{
    setenv("QUARRY_BACKGROUND", "0", 1);
    free_a_peak();
    EXPECT(thread_count() == 1);
}

static void thread_is_off(void)
{
    EXPECT(child_survives(frees_without_thread));
}

/* ---- limits ---- */

static void *end(void *unused)
{
    return unused;
}

static void within(int resource)
{
    size_t bytes = 4000 * MIB;
    struct rlimit limit = {bytes, bytes};
    EXPECT(setrlimit(resource, &limit) == 0);
    EXPECT(call_malloc(10 * MIB) != NULL);
    errno = 0;
    EXPECT(call_malloc(2 * bytes) == NULL && errno == ENOMEM);
    EXPECT(call_calloc(2, bytes) == NULL && call_realloc(NULL, 2 * bytes) == NULL);
    EXPECT(mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
           MAP_FAILED);
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, end, NULL) == 0);
    pthread_join(thread, NULL);
}

static void within_address_space(void)
{
    within(RLIMIT_AS);
}

static void within_data(void)
{
    within(RLIMIT_DATA);
}

/* All that the limit allows, in objects that are smaller than what the heap grows by. */
static void up_to_the_limit(void)
{
    struct rlimit limit = {1000 * MIB, 1000 * MIB};
    EXPECT(setrlimit(RLIMIT_AS, &limit) == 0);
    void *objects[2000];
    unsigned count = 0;
    while (count < 2000 && (objects[count] = call_malloc(MIB - 100)) != NULL)
        count++;
    EXPECT(count > 700 && count < 1000);
    while (count > 0)
        call_free(objects[--count]);
}

static void limits(void)
{
    EXPECT(child_survives(within_address_space));
    EXPECT(child_survives(within_data));
    EXPECT(child_survives(up_to_the_limit));
}

int main(void)
{
    alarm(250);
    run("memory: limits", limits); /* first: the heap is small */
    run("memory: thread off", thread_is_off);
    run("memory: large objects return", large_objects);
    run("memory: calloc does not touch", calloc_does_not_touch);
    run("memory: returns by time", by_time);
    return finish();
}
