/* SPDX-License-Identifier: MIT */
/*
 * Quarry beside the baselines (tests/bench/baselines): what an allocation and its free cost when
 * there are so many free blocks. Figures as in bench.h.
 */
#ifndef BOOT_YARDSTICKS_H
#define BOOT_YARDSTICKS_H

/* Prints a line "bench NAME FREE_BLOCKS COST" for each; begins a fresh heap. CPU 0, interrupts on.
 */
void baselines_run(void);

#endif
