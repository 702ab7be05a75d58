/* SPDX-License-Identifier: MIT */
/* What workloads share: objects that are written to, random numbers, threads, the tables. */
#ifndef TESTS_BENCH_WORKLOAD_H
#define TESTS_BENCH_WORKLOAD_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct workload {
    const char *name;
    void (*run)(void);
};

/* The single operations (operations.c). The last entry has no name. */
extern const struct workload operations[];

static inline void fail(const char *why)
{
    fprintf(stderr, "workloads: %s\n", why);
    exit(1);
}

/* Allocates and, like a program, writes to the object: the first and the last byte. */
static inline void *allocate(size_t bytes)
{
    unsigned char *object = malloc(bytes);
    if (object == NULL)
        fail("out of memory");
    object[0] = object[bytes - 1] = (unsigned char)bytes;
    return object;
}

static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline size_t random_between(uint64_t *state, size_t low, size_t high)
{
    return low + next_random(state) % (high - low + 1);
}

/* Runs `work` in `count` threads, whose argument is their number, from 1 on. */
static inline void in_threads(unsigned count, void *(*work)(void *))
{
    pthread_t threads[16];
    for (uintptr_t i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)(i + 1)) != 0)
            fail("cannot create a thread");
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

#endif
