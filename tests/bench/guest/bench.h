/* SPDX-License-Identifier: MIT */
/*
 * The cost of allocation by the timestamp counter. Under QEMU's -icount shift=0,sleep=off with one
 * CPU the counter increases by one per instruction (a virtual nanosecond), so the numbers are exact
 * and repeatable. Elsewhere they are ticks.
 *
 * Each number is the difference between a loop that calls the allocator and the same loop with
 * functions that only return, plus two instructions for each such call. So it includes the call and
 * the return and excludes the loop.
 */
#ifndef TESTS_BENCH_GUEST_BENCH_H
#define TESTS_BENCH_GUEST_BENCH_H

#include <stddef.h>
#include <stdint.h>

/* Prints a line "bench NAME ARGUMENT COST" for each measurement. Starts a fresh heap. CPU 0,
 * interrupts on. */
void bench_run(void);

/* ---- for other measurements ---- */

/* Starts a fresh heap of all memory on CPU 0. */
void bench_begin_heap(void);

/* Prints one line. The cost is in hundredths of a tick. */
void bench_print(const char *name, size_t argument, uint64_t hundredths);

/* Functions of one instruction, which only return. */
void *bench_nothing_alloc(size_t bytes);
void bench_nothing_free(void *object);

#define BENCH_CALL_AND_RETURN 2u

#endif
