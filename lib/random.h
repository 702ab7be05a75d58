/* SPDX-License-Identifier: MIT */
/*
 * A small pseudo-random generator (xorshift64*, Vigna 2016): seeded, repeatable, not secure.
 */
#ifndef LIB_RANDOM_H
#define LIB_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state; /* never 0 */
};

static inline struct random random_seeded(uint64_t seed)
{
    /* Spreads neighbouring seeds; the constant is 2^64 divided by the golden ratio. */
    uint64_t state = (seed + 1) * 0x9e3779b97f4a7c15u;
    return (struct random){.state = state != 0 ? state : 1};
}

static inline uint64_t random_next(struct random *random)
{
    uint64_t x = random->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    random->state = x;
    return x * 0x2545f4914f6cdd1du;
}

/* 0 to bound - 1; the bias is below bound / 2^32. `bound` is 1 to 2^32. */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
    return ((random_next(random) >> 32) * bound) >> 32;
}

#endif
