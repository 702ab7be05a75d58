/* SPDX-License-Identifier: MIT */
/* A partly filled heap, printed as JSON by quarry_stats_json(): the input of `make heapmap`. */
#ifndef TESTS_BENCH_GUEST_HEAPMAP_H
#define TESTS_BENCH_GUEST_HEAPMAP_H

/* Prints the JSON between two lines "heapmap begin" and "heapmap end". Starts a fresh heap and
 * leaves it empty. CPU 0, interrupts on. */
void heapmap_run(void);

#endif
