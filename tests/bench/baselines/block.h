/* SPDX-License-Identifier: MIT */
/*
 * Blocks with boundary tags, by which a block finds its neighbours:
 *
 *      | tag | object ...                  | tag |     in use
 *      | tag | next | previous | ...       | tag |     free: in a list
 *
 * A tag is the block's size in bytes, with the tags, and bit 0 is set while the block is in use.
 * The memory begins and ends with a tag that is marked as in use, so blocks at the ends are not
 * joined with memory outside.
 */
#ifndef TESTS_BENCH_BASELINES_BLOCK_H
#define TESTS_BENCH_BASELINES_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#define BLOCK_TAG_BYTES sizeof(uint64_t)
#define BLOCK_IN_USE 1u
#define BLOCK_BYTES_MIN 32u /* two tags and two links */

struct block {
    uint64_t tag;
    struct block *next; /* links of a circular list, only while the block is free */
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

/* The head of a circular list is a block outside the managed memory. */
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

/* The size of the block for an object; 0: the object is too large. */
size_t block_bytes_for(size_t object_bytes);

/* Makes all of the memory one free block, which is in no list. */
struct block *block_first(void *memory, size_t bytes);

/* Marks the first `bytes` of the block, which is in no list, as in use. Returns the rest as a free
 * block in no list; NULL if there is none. */
struct block *block_take(struct block *block, size_t bytes);

/* Frees the block and joins it with its free neighbours. Calls `leave` for each neighbour first, to
 * remove it from its list. Returns the joined block, which is in no list. */
struct block *block_release(struct block *block, void (*leave)(struct block *neighbour));

#endif
