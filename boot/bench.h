/* SPDX-License-Identifier: MIT */
/*
 * What allocation costs, by the timestamp counter. Under QEMU's -icount shift=0,sleep=off with one
 * CPU the counter goes on by one for each instruction (a virtual nanosecond), so the figures are
 * exact and repeatable; elsewhere they are ticks.
 */
#ifndef BOOT_BENCH_H
#define BOOT_BENCH_H

/* Prints a table; the heap is fresh, this CPU online. */
void bench_run(void);

#endif
