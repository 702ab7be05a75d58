/* SPDX-License-Identifier: MIT */
/*
 * Cache lines and who holds them: a model of what CPUs cost each other.
 *
 * The allocator is compiled with the compiler's instrumentation for data races, whose calls, one
 * for each access to memory, end here instead of in a sanitizer: each access is one of the CPU that
 * is being played. A line has the set of CPUs that hold it, as in the MESI protocol, of caches
 * without end:
 *
 *     read by a CPU that does not hold it, another does     it moves; both hold it
 *     written by a CPU, others hold it                      it moves; only the writer holds it
 *     anything else                                         nothing moves
 *
 * What is the program's own, its stack and its registers, does not count; nor does a line that
 * nobody held before, for it comes from memory. Instructions of other CPUs do not come in between
 * those of one operation: so what is counted does not vary, and no lock is ever found held. What
 * tells of contention is a lock that is taken by another CPU than the last time.
 */
#ifndef TESTS_SCALING_LINES_H
#define TESTS_SCALING_LINES_H

#include <stddef.h>
#include <stdint.h>

struct counts {
    unsigned long takings;   /* of locks */
    unsigned long handovers; /* of them by another CPU than the last */
    unsigned long atomics;   /* instructions that read, change and write at once */
    unsigned long moves;     /* of lines between CPUs */
};

extern struct counts counts;

/* The memory that is looked at: `bytes` from `start`, and all of the program's data. */
void lines_begin(uintptr_t start, size_t bytes);

/* Accesses are those of this CPU (0 to 63) from now on. */
void lines_be_cpu(unsigned cpu);

#endif
