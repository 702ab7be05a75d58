/* SPDX-License-Identifier: MIT */
/*
 * What allocation costs, by the timestamp counter. Under QEMU's -icount shift=0,sleep=off with one
 * CPU the counter goes on by one for each instruction (a virtual nanosecond), so the figures are
 * exact and repeatable; elsewhere they are ticks.
 *
 * Each figure is the difference between a loop that calls the allocator and the same loop calling
 * functions that only return, plus the two instructions of each such call: so the call and the
 * return count, and the loop with its bookkeeping does not.
 */
#ifndef BOOT_BENCH_H
#define BOOT_BENCH_H

#include <stddef.h>
#include <stdint.h>

/* Prints a line "bench NAME ARGUMENT COST" for each; begins a fresh heap. CPU 0, interrupts on. */
void bench_run(void);

/* ---- for other measurements ---- */

/* A fresh heap on CPU 0, of all memory. */
void bench_begin_heap(void);

/* One line; the cost in hundredths of a tick. */
void bench_print(const char *name, size_t argument, uint64_t hundredths);

/* What a measured function is compared with: one instruction, whatever it is called as. */
void *bench_nothing_alloc(size_t bytes);
void bench_nothing_free(void *object);

#define BENCH_CALL_AND_RETURN 2u

#endif
