/* SPDX-License-Identifier: MIT */
/*
 * Runs in a bitmap of 512 bits: the pages of an arena, the frames of a child.
 *
 * 512 bits are eight words, one cache line, and 2 MiB of 4 KiB pieces: the one size at which the
 * page heap and the frame allocator both think. A set bit means "taken". All work here is bounded
 * by the number of runs, at most 256, whatever the bitmap holds.
 *
 * Nothing here is atomic: the owner holds a lock, or reads a line that others change and treats
 * the answer as a hint.
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

/* The first run of clear bits that begins at `from` or after it, cut at the bitmap's end. */
struct bitmap_run bitmap_next_clear_run(const struct bitmap *map, unsigned from);

/* The longest run of clear bits; the first of them where several are as long. */
struct bitmap_run bitmap_longest_clear_run(const struct bitmap *map);

/*
 * Best fit: the start of `count` clear bits, at a multiple of `align` (a power of two), inside the
 * shortest run that has room for them; BITMAP_BITS where there is none.
 */
unsigned bitmap_best_fit(const struct bitmap *map, unsigned count, unsigned align);

#endif
