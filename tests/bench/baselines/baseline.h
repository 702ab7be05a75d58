/* SPDX-License-Identifier: MIT */
/*
 * Baseline allocators: simple allocators that small kernels use. Their cost per allocation depends
 * on the number of free blocks; Quarry's does not.
 *
 *     linear.c       a pointer that only increases; nothing is freed
 *     fits.c         one list of free blocks: first fit, next fit, best fit
 *     segregated.c   a list of free blocks for each range of sizes
 *     block.c        blocks with boundary tags, for the last two
 *
 * One CPU, no locks. Sizes are rounded up to multiples of 16 bytes, and addresses are multiples of
 * 16.
 *
 * Source: Knuth, The Art of Computer Programming, 2.5, for the lists and the tags; Wilson and
 * others, "Dynamic storage allocation" (IWMM 1995), a survey.
 */
#ifndef TESTS_BENCH_BASELINES_BASELINE_H
#define TESTS_BENCH_BASELINES_BASELINE_H

#include <stddef.h>

struct baseline {
    const char *name;
    void (*begin)(void *memory, size_t bytes); /* starts with all memory free; aligned to 16 */
    void *(*alloc)(size_t bytes);              /* NULL: no block is large enough */
    void (*release)(void *object);             /* frees an object of alloc() */
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
