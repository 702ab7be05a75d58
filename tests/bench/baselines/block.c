/* SPDX-License-Identifier: MIT */
/* Blocks with boundary tags; see block.h. */
#include "tests/bench/baselines/block.h"

#include "lib/bits.h"

static uint64_t *end_tag(struct block *block)
{
    return (uint64_t *)((char *)block + block_bytes(block)) - 1;
}

static void set_tags(struct block *block, size_t bytes, uint64_t in_use)
{
    block->tag = bytes | in_use;
    *end_tag(block) = bytes | in_use;
}

static struct block *next_block(struct block *block)
{
    return (struct block *)((char *)block + block_bytes(block));
}

size_t block_bytes_for(size_t object_bytes)
{
    if (object_bytes > SIZE_MAX / 2)
        return 0;
    return max_u64(round_up(object_bytes + 2 * BLOCK_TAG_BYTES, 16), BLOCK_BYTES_MIN);
}

struct block *block_first(void *memory, size_t bytes)
{
    uint64_t *first = memory;
    size_t whole = round_down(bytes, 16) - 16; /* without the tags at the two ends */
    first[0] = BLOCK_IN_USE;
    struct block *block = (struct block *)&first[1];
    set_tags(block, whole, 0);
    next_block(block)->tag = BLOCK_IN_USE;
    return block;
}

struct block *block_take(struct block *block, size_t bytes)
{
    size_t left = block_bytes(block) - bytes;
    if (left < BLOCK_BYTES_MIN) {
        set_tags(block, block_bytes(block), BLOCK_IN_USE);
        return NULL;
    }
    set_tags(block, bytes, BLOCK_IN_USE);
    struct block *rest = next_block(block);
    set_tags(rest, left, 0);
    return rest;
}

struct block *block_release(struct block *block, void (*leave)(struct block *neighbour))
{
    size_t bytes = block_bytes(block);
    struct block *next = next_block(block);
    if (!(next->tag & BLOCK_IN_USE)) {
        leave(next);
        bytes += block_bytes(next);
    }
    uint64_t before = *((uint64_t *)block - 1);
    if (!(before & BLOCK_IN_USE)) {
        block = (struct block *)((char *)block - before);
        leave(block);
        bytes += before;
    }
    set_tags(block, bytes, 0);
    return block;
}
