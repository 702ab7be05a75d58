/* SPDX-License-Identifier: MIT */
/* Single operations, repeated: they measure the fast path. See workloads.c. */
#include "tests/bench/workload.h"

static void pairs(size_t bytes, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++)
        free(allocate(bytes));
}

static void batches(size_t bytes, unsigned rounds)
{
    static void *objects[1000];
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < 1000; i++)
            objects[i] = allocate(bytes);
        for (unsigned i = 0; i < 1000; i++)
            free(objects[i * 389 % 1000]);
    }
}

static void pair_16(void)
{
    pairs(16, 60000000);
}

static void pair_1k(void)
{
    pairs(1024, 60000000);
}

static void pair_32k(void)
{
    pairs(32768, 30000000);
}

static void pair_1m(void)
{
    pairs((size_t)1 << 20, 1000000);
}

static void batch_16(void)
{
    batches(16, 50000);
}

static void batch_1k(void)
{
    batches(1024, 20000);
}

static void batch_4k(void)
{
    batches(4096, 10000);
}

static void replace(void)
{
    enum { LIVE = 10000 };
    static void *live[LIVE];
    uint64_t random = 1;
    for (unsigned i = 0; i < 20000000; i++) {
        void **place = &live[next_random(&random) % LIVE];
        free(*place);
        *place = allocate(random_between(&random, 16, 1024));
    }
}

static void zeroed_64(void)
{
    for (unsigned i = 0; i < 40000000; i++) {
        unsigned char *object = calloc(1, 64);
        object[63] = 1;
        free(object);
    }
}

static void grow_by_16(void)
{
    for (unsigned round = 0; round < 60000; round++) {
        unsigned char *object = NULL;
        for (size_t bytes = 16; bytes <= 4096; bytes += 16) {
            object = realloc(object, bytes);
            object[bytes - 1] = 1;
        }
        free(object);
    }
}

static void grow_doubling(void)
{
    for (unsigned round = 0; round < 1500; round++) {
        unsigned char *object = NULL;
        for (size_t bytes = 16; bytes <= (size_t)1 << 22; bytes *= 2) {
            object = realloc(object, bytes);
            object[bytes - 1] = 1;
        }
        free(object);
    }
}

const struct workload operations[] = {
    {"pair-16", pair_16},
    {"pair-1k", pair_1k},
    {"pair-32k", pair_32k},
    {"pair-1m", pair_1m},
    {"batch-16", batch_16},
    {"batch-1k", batch_1k},
    {"batch-4k", batch_4k},
    {"replace", replace},
    {"zeroed-64", zeroed_64},
    {"grow-by-16", grow_by_16},
    {"grow-doubling", grow_doubling},
    {NULL, NULL},
};
