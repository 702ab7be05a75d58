/* SPDX-License-Identifier: MIT */
/*
 * A reservation: one CPU's tree, and how many of its frames the CPU may take before it
 * needs the tree again. One word, changed by compare-and-swap; see frame_allocator.h.
 */
#ifndef MM_FRAMES_FRAME_RESERVATION_H
#define MM_FRAMES_FRAME_RESERVATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/atomic.h"

/*
 * A CPU's reservation. Any CPU may change `word`, by compare-and-swap; `hint` is the child in which
 * the last frame was found, and may be wrong.
 */
struct frame_reservation {
    uint64_t word; /* RESERVATION_PRESENT | tree << 32 | free */
    uint32_t hint;
} __attribute__((__aligned__(64)));

#define RESERVATION_PRESENT ((uint64_t)1 << 63)

static inline uint64_t reservation_word(size_t tree, size_t frames)
{
    return RESERVATION_PRESENT | (uint64_t)tree << 32 | frames;
}

static inline size_t reservation_tree(uint64_t word)
{
    return (word & ~RESERVATION_PRESENT) >> 32;
}

static inline size_t reservation_free(uint64_t word)
{
    return (uint32_t)word;
}

static inline bool reservation_is_of(uint64_t word, size_t tree)
{
    return (word & RESERVATION_PRESENT) && reservation_tree(word) == tree;
}

/* Takes frames off the reservation and returns its tree in `tree`. False: fewer are reserved. */
static inline bool reservation_take(struct frame_reservation *reservation, size_t frames,
                                    size_t *tree)
{
    uint64_t old = atomic_load_relaxed(&reservation->word);
    do {
        if (reservation_free(old) < frames)
            return false;
    } while (!atomic_compare_swap(&reservation->word, &old, old - frames));
    *tree = reservation_tree(old);
    return true;
}

/* Adds frames of the tree. False: the reservation is of another tree, or of none. */
static inline bool reservation_give(struct frame_reservation *reservation, size_t tree,
                                    size_t frames)
{
    uint64_t old = atomic_load_relaxed(&reservation->word);
    do {
        if (!reservation_is_of(old, tree))
            return false;
    } while (!atomic_compare_swap(&reservation->word, &old, old + frames));
    return true;
}

#endif
