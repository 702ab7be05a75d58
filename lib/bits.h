/* SPDX-License-Identifier: MIT */
/*
 * Bit operations on one word, rounding, and the two branch hints. No state.
 */
#ifndef LIB_BITS_H
#define LIB_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

#define WORD_BITS 64u

/* The lowest set bit's number; `word` is not 0. */
static inline unsigned bits_lowest(uint64_t word)
{
    return (unsigned)__builtin_ctzll(word);
}

/* The highest set bit's number; `word` is not 0. */
static inline unsigned bits_highest(uint64_t word)
{
    return 63u - (unsigned)__builtin_clzll(word);
}

/*
 * The number of set bits. Written out because __builtin_popcountll() calls the compiler's runtime
 * library on x86-64 without the popcnt instruction, and a kernel may not have that library.
 */
static inline unsigned bits_count(uint64_t word)
{
    word -= (word >> 1) & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + ((word >> 2) & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)((word * 0x0101010101010101u) >> 56);
}

/* A word whose `count` (0 to 64) lowest bits are set. */
static inline uint64_t bits_mask(unsigned count)
{
    return count >= WORD_BITS ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1;
}

static inline bool is_power_of_two(size_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* `to` is a power of two. round_up() wraps to 0 for a value less than `to` below 2^64. */
static inline uint64_t round_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) & ~(to - 1);
}

static inline uint64_t round_down(uint64_t value, uint64_t to)
{
    return value & ~(to - 1);
}

/* value / by, rounded up. Does not overflow. */
static inline uint64_t divide_up(uint64_t value, uint64_t by)
{
    return value / by + (value % by != 0);
}

static inline uint64_t min_u64(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

static inline uint64_t max_u64(uint64_t left, uint64_t right)
{
    return left > right ? left : right;
}

#endif
