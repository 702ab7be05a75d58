/* SPDX-License-Identifier: MIT */
/*
 * Quarry beside the baseline allocators (tests/bench/baselines): the cost of an allocation and its
 * free, by the number of free blocks. Measured as in bench.h.
 */
#ifndef TESTS_BENCH_GUEST_BASELINES_H
#define TESTS_BENCH_GUEST_BASELINES_H

/* Prints a line "bench NAME FREE_BLOCKS COST" for each measurement. Starts a fresh heap. CPU 0,
 * interrupts on. */
void baselines_run(void);

#endif
