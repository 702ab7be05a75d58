/* SPDX-License-Identifier: MIT */
/*
 * The allocators that kernels begin with, small and honest, as baselines: so that one sees what
 * the cost of an allocation depends on, and that Quarry's does not.
 *
 *     linear.c       a pointer that goes up; nothing is ever freed
 *     fits.c         one list of free blocks: the first that fits, the next, the best
 *     segregated.c   a list of free blocks for each range of sizes
 *     block.c        what the last two have in common: blocks that know their neighbours
 *
 * One CPU, no locks. All give multiples of 16 bytes, at addresses that are multiples of 16.
 *
 * Source: Knuth, The Art of Computer Programming, 2.5, for the lists and the tags; Wilson and
 * others, "Dynamic storage allocation" (IWMM 1995), for what is known of them.
 */
#ifndef TESTS_BENCH_YARDSTICKS_YARDSTICK_H
#define TESTS_BENCH_YARDSTICKS_YARDSTICK_H

#include <stddef.h>

struct baseline {
    const char *name;
    void (*begin)(void *memory, size_t bytes); /* forgets all that was; memory aligned to 16 */
    void *(*alloc)(size_t bytes);              /* NULL: there is no block that is large enough */
    void (*release)(void *object);             /* what alloc() gave, once */
    size_t (*free_blocks)(void);
};

extern const struct baseline baseline_linear;
extern const struct baseline baseline_first_fit;
extern const struct baseline baseline_next_fit;
extern const struct baseline baseline_best_fit;
extern const struct baseline baseline_segregated_fit;

#define BASELINES                                                                                  \
    {                                                                                              \
        &baseline_linear, &baseline_first_fit, &baseline_next_fit, &baseline_best_fit,             \
            &baseline_segregated_fit                                                               \
    }
#define BASELINE_COUNT 5

#endif
