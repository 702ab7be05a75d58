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
 * those of one operation, so what is counted does not vary.
 *
 * Time: each CPU has a clock that goes on by one for an access to a line that it holds, and by
 * MOVE_TICKS for one that moves. A lock that another CPU held at that time, by its own clock, is
 * contended: the taker's clock goes on to when it was let go. The CPUs take turns, and all begin
 * each round of turns at the same time, when the slowest has ended the one before: more contention
 * than that load can have.
 */
#ifndef TESTS_SCALING_LINES_H
#define TESTS_SCALING_LINES_H

#include <stddef.h>
#include <stdint.h>

struct counts {
    unsigned long transactions; /* of locks */
    unsigned long handovers;    /* of them by another CPU than the last */
    unsigned long contended;    /* of them while another CPU had it */
    unsigned long atomics;      /* instructions that read, change and write at once */
    unsigned long moves;        /* of lines between CPUs */
};

extern struct counts counts;

/* The memory that is looked at: `bytes` from `start`, and all of the program's data. */
void lines_begin(uintptr_t start, size_t bytes);

/* Accesses are those of this CPU (0 to 63) from now on. */
void lines_be_cpu(unsigned cpu);

/* All CPUs' clocks are as far as the one that is furthest. */
void lines_begin_round(void);

#endif
