/* SPDX-License-Identifier: MIT */
/*
 * One list of all free blocks, and three ways to choose a block: the first that is large enough
 * (first fit), the first after the end of the last search (next fit), or the smallest that is large
 * enough (best fit). Many hobby kernels use one of them. First fit and next fit visit all blocks
 * that are too small; best fit visits all blocks.
 *
 * A block keeps its position in the list when a part of it is allocated and when it is joined with
 * a freed block. Other freed blocks are inserted at the front.
 */
#include "tests/bench/baselines/baseline.h"
#include "tests/bench/baselines/block.h"

static struct block ring;
static struct block *rover; /* where the next fit's search begins */
static struct block *place; /* the next block is inserted after this one */
static size_t listed;

static void enlist(struct block *block)
{
    block_insert(place, block);
    place = &ring;
    listed++;
}

static void leave(struct block *block)
{
    if (rover == block)
        rover = block->next;
    place = block->previous;
    block_remove(block);
    listed--;
}

static void begin(void *memory, size_t bytes)
{
    block_ring_init(&ring);
    rover = place = &ring;
    listed = 0;
    enlist(block_first(memory, bytes));
}

static size_t free_blocks(void)
{
    return listed;
}

static void release(void *object)
{
    enlist(block_release(block_of(object), leave));
}

static void *allocate_from(struct block *block, size_t bytes)
{
    if (block == NULL)
        return NULL;
    leave(block);
    struct block *rest = block_take(block, bytes);
    if (rest != NULL)
        enlist(rest);
    else
        place = &ring;
    return block_object(block);
}

/* ---- choosing a block ---- */

static struct block *first_fit(size_t bytes)
{
    for (struct block *block = ring.next; block != &ring; block = block->next)
        if (block_bytes(block) >= bytes)
            return block;
    return NULL;
}

static struct block *next_fit(size_t bytes)
{
    struct block *start = rover;
    do {
        struct block *block = rover;
        rover = rover->next;
        if (block != &ring && block_bytes(block) >= bytes)
            return block;
    } while (rover != start);
    return NULL;
}

static struct block *best_fit(size_t bytes)
{
    struct block *best = NULL;
    for (struct block *block = ring.next; block != &ring; block = block->next)
        if (block_bytes(block) >= bytes && (best == NULL || block_bytes(block) < block_bytes(best)))
            best = block;
    return best;
}

static void *alloc(size_t object_bytes, struct block *(*choose)(size_t bytes))
{
    size_t bytes = block_bytes_for(object_bytes);
    return bytes != 0 ? allocate_from(choose(bytes), bytes) : NULL;
}

static void *alloc_first(size_t bytes)
{
    return alloc(bytes, first_fit);
}

static void *alloc_next(size_t bytes)
{
    return alloc(bytes, next_fit);
}

static void *alloc_best(size_t bytes)
{
    return alloc(bytes, best_fit);
}

const struct baseline baseline_first_fit = {"first fit", begin, alloc_first, release, free_blocks};
const struct baseline baseline_next_fit = {"next fit", begin, alloc_next, release, free_blocks};
const struct baseline baseline_best_fit = {"best fit", begin, alloc_best, release, free_blocks};
