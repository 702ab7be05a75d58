/* SPDX-License-Identifier: MIT */
/*
 * Blocks that know their neighbours, by a tag on either side:
 *
 *      | tag | object ...                  | tag |     in use
 *      | tag | next | previous | ...       | tag |     free: in a list
 *
 * A tag is the block's bytes, tags included, with bit 0 set while it is in use. The memory begins
 * and ends with a tag that says "in use", so no block looks for a neighbour beyond.
 */
#ifndef TESTS_BENCH_YARDSTICKS_BLOCK_H
#define TESTS_BENCH_YARDSTICKS_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#define BLOCK_TAG_BYTES sizeof(uint64_t)
#define BLOCK_IN_USE 1u
#define BLOCK_BYTES_MIN 32u /* two tags and two links */

struct block {
    uint64_t tag;
    struct block *next; /* from here on while it is free; the links of a ring */
    struct block *previous;
};

static inline size_t block_bytes(const struct block *block)
{
    return block->tag & ~(uint64_t)BLOCK_IN_USE;
}

static inline void *block_object(struct block *block)
{
    return &block->next;
}

static inline struct block *block_of(void *object)
{
    return (struct block *)((char *)object - BLOCK_TAG_BYTES);
}

/* A ring's head is a block that is in no memory. */
static inline void block_ring_init(struct block *head)
{
    head->next = head->previous = head;
}

static inline void block_insert(struct block *head, struct block *block)
{
    block->next = head->next;
    block->previous = head;
    head->next->previous = block;
    head->next = block;
}

static inline void block_remove(struct block *block)
{
    block->previous->next = block->next;
    block->next->previous = block->previous;
}

/* Bytes that a block must have for an object; 0: there is no such block. */
size_t block_bytes_for(size_t object_bytes);

/* All of the memory as one free block, in no list. */
struct block *block_first(void *memory, size_t bytes);

/* The block, in no list, is in use from now on; returns what is left of it, free and in no list, or
 * NULL. */
struct block *block_take(struct block *block, size_t bytes);

/* Frees the block, joined with its free neighbours, each of which leaves its list: `leave` is told
 * before. */
struct block *block_release(struct block *block, void (*leave)(struct block *neighbour));

#endif
