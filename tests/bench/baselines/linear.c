/* SPDX-License-Identifier: MIT */
/* A pointer that only increases: the cheapest allocator, without a free. */
#include <stdint.h>

#include "lib/bits.h"
#include "tests/bench/baselines/baseline.h"

static uintptr_t next;
static uintptr_t end;

static void begin(void *memory, size_t bytes)
{
    next = (uintptr_t)memory;
    end = next + bytes;
}

static void *alloc(size_t bytes)
{
    if (bytes > end - next)
        return NULL;
    size_t rounded = round_up(max_u64(bytes, 1), 16);
    if (rounded > end - next)
        return NULL;
    void *object = (void *)next;
    next += rounded;
    return object;
}

static void release(void *object)
{
    (void)object;
}

static size_t free_blocks(void)
{
    return next < end;
}

const struct baseline baseline_linear = {"linear", begin, alloc, release, free_blocks};
