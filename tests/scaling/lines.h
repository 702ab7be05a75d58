/* SPDX-License-Identifier: MIT */
/*
 * A model of cache lines and the CPUs that hold them. It counts the communication between CPUs.
 *
 * The allocator is compiled with the compiler's instrumentation for data races. This file
 * implements the functions that the instrumentation calls for each memory access, in place of a
 * sanitizer. Each access belongs to the simulated CPU. For each line the model has the set of CPUs
 * that hold it, as in the MESI protocol with caches of unlimited size:
 *
 *     read by a CPU that does not hold it, another does     it moves; both hold it
 *     written by a CPU, others hold it                      it moves; only the writer holds it
 *     anything else                                         nothing moves
 *
 * Accesses to the program's stack do not count. The first access to a line does not count, because
 * it comes from memory. Operations of different CPUs are not interleaved, so the counts are
 * repeatable.
 *
 * Time: each CPU has a clock. An access to a line that the CPU holds advances it by one, an access
 * that moves a line by MOVE_TICKS. If another CPU holds a lock at the time of an acquisition, by
 * its own clock, the lock is contended, and the clock advances to the release. The CPUs run in
 * turns. All of them start each round of turns at the same time, when the slowest CPU has ended the
 * round before. This gives more contention than the real load.
 */
#ifndef TESTS_SCALING_LINES_H
#define TESTS_SCALING_LINES_H

#include <stddef.h>
#include <stdint.h>

struct counts {
    unsigned long acquisitions; /* of locks */
    unsigned long handovers;    /* acquisitions by another CPU than the last one */
    unsigned long contended;    /* acquisitions while another CPU held the lock */
    unsigned long atomics;      /* read-modify-write instructions */
    unsigned long moves;        /* of lines between CPUs */
};

extern struct counts counts;

/* Sets the memory under observation: `bytes` from `start`, besides the program's data. */
void lines_begin(uintptr_t start, size_t bytes);

/* From now on accesses belong to this CPU (0 to 63). */
void lines_be_cpu(unsigned cpu);

/* Sets the clocks of all CPUs to the latest one. */
void lines_begin_round(void);

#endif
