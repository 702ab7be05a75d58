/* SPDX-License-Identifier: MIT */
/*
 * A list of free blocks for each range of sizes, with four ranges per doubling, and a bit for each
 * list that is not empty. A request takes a block from the first non-empty list whose blocks are
 * all large enough, without a search. If there is none, it searches the list of its own range.
 */
#include "lib/bits.h"
#include "tests/bench/baselines/baseline.h"
#include "tests/bench/baselines/block.h"

#define STEP_BITS 2u
#define RANGES (64u << STEP_BITS)

static struct block rings[RANGES];
static uint64_t filled[RANGES / 64];
static size_t listed;

/* The range of a block of this size. */
static unsigned range_of(size_t bytes)
{
    unsigned doubling = 63u - (unsigned)__builtin_clzll(bytes);
    unsigned step = bytes >> (doubling - STEP_BITS) & ((1u << STEP_BITS) - 1);
    return doubling << STEP_BITS | step;
}

/* The first range at or after `range` that has a block; RANGES if none has. */
static unsigned filled_from(unsigned range)
{
    for (; range < RANGES; range = (range / 64 + 1) * 64) {
        uint64_t left = filled[range / 64] >> (range % 64);
        if (left != 0)
            return range + (unsigned)__builtin_ctzll(left);
    }
    return RANGES;
}

static void enlist(struct block *block)
{
    unsigned range = range_of(block_bytes(block));
    block_insert(&rings[range], block);
    filled[range / 64] |= (uint64_t)1 << (range % 64);
    listed++;
}

static void leave(struct block *block)
{
    unsigned range = range_of(block_bytes(block));
    block_remove(block);
    if (rings[range].next == &rings[range])
        filled[range / 64] &= ~((uint64_t)1 << (range % 64));
    listed--;
}

static void begin(void *memory, size_t bytes)
{
    for (unsigned i = 0; i < RANGES; i++)
        block_ring_init(&rings[i]);
    for (unsigned i = 0; i < RANGES / 64; i++)
        filled[i] = 0;
    listed = 0;
    enlist(block_first(memory, bytes));
}

static size_t free_blocks(void)
{
    return listed;
}

static struct block *search(unsigned range, size_t bytes)
{
    for (struct block *block = rings[range].next; block != &rings[range]; block = block->next)
        if (block_bytes(block) >= bytes)
            return block;
    return NULL;
}

static void *alloc(size_t object_bytes)
{
    size_t bytes = block_bytes_for(object_bytes);
    if (bytes == 0)
        return NULL;
    unsigned range = range_of(bytes), larger = filled_from(range + 1);
    struct block *block = larger < RANGES ? rings[larger].next : search(range, bytes);
    if (block == NULL)
        return NULL;
    leave(block);
    struct block *rest = block_take(block, bytes);
    if (rest != NULL)
        enlist(rest);
    return block_object(block);
}

static void release(void *object)
{
    enlist(block_release(block_of(object), leave));
}

const struct baseline baseline_segregated_fit = {"segregated fit", begin, alloc, release,
                                                 free_blocks};
