/* SPDX-License-Identifier: MIT */
/*
 * Runs in a bitmap of 512 bits: the pages of an arena, the frames of a child.
 *
 * 512 bits are eight words, one cache line, and stand for 2 MiB in units of 4 KiB. The page heap
 * and the frame allocator both use this size. A set bit means "in use". The work of each function
 * is bounded by the number of runs, at most 256.
 *
 * Nothing here is atomic: the caller holds a lock, or treats the result as a hint.
 */
#ifndef LIB_BITMAP_H
#define LIB_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

#define BITMAP_BITS 512u
#define BITMAP_WORDS 8u

struct bitmap {
    uint64_t word[BITMAP_WORDS];
};

/* A run of clear bits: [first, first + length). Length 0: there is none. */
struct bitmap_run {
    unsigned first;
    unsigned length;
};

bool bitmap_test(const struct bitmap *map, unsigned bit);
void bitmap_set(struct bitmap *map, unsigned first, unsigned count);
void bitmap_clear(struct bitmap *map, unsigned first, unsigned count);

/* Whether all of `count` bits from `first` are set, or are clear; true for no bits. */
bool bitmap_all_set(const struct bitmap *map, unsigned first, unsigned count);
bool bitmap_all_clear(const struct bitmap *map, unsigned first, unsigned count);

unsigned bitmap_count_set(const struct bitmap *map);

/* The first run of clear bits at or after `from`. It ends at the end of the bitmap at the latest.
 */
struct bitmap_run bitmap_next_clear_run(const struct bitmap *map, unsigned from);

/* The longest run of clear bits; the first one if several have this length. */
struct bitmap_run bitmap_longest_clear_run(const struct bitmap *map);

/*
 * Best fit: the start of `count` clear bits, at a multiple of `align` (a power of two), in the
 * shortest run that holds them; BITMAP_BITS if there is none.
 */
unsigned bitmap_best_fit(const struct bitmap *map, unsigned count, unsigned align);

#endif
