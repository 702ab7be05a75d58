/* SPDX-License-Identifier: MIT */
/*
 * Stacks of the machine's CPUs, for threads that have none of their own.
 *
 * A thread reaches the stacks of the CPU that it runs on by restartable sequences: Linux sends a
 * thread that it preempts, moves or signals inside one back to the beginning, as quarry_irq_enter()
 * does on the metal (arch/x86_64/fast_path.c). glibc registers each thread for them.
 *
 * Nobody can mask interrupts here; so the slow paths, which work on a cache in many instructions,
 * claim the CPU first: its entry in a table, behind which every sequence finds the stacks, is
 * exchanged for NULL, in a sequence as well. Whoever was inside one on this CPU was preempted by
 * the claiming thread, so he begins again; and whoever finds NULL misses, and waits on the slow
 * path. The claiming thread may be moved meanwhile: the CPU stays claimed, and its stacks that
 * thread's alone, until it stores the entry again, from wherever it is.
 *
 * Source: rseq(2) and TCMalloc's per-CPU caches, which stop one stack at a time; the table is ours.
 */
#ifndef HOSTED_RESTARTABLE_H
#define HOSTED_RESTARTABLE_H

#include <stdbool.h>
#include <stddef.h>

struct quarry_cpu;

/* The table's entries: as many CPUs as Linux for x86-64 can be built for. */
#define RESTARTABLE_CPUS_MAX 8192

/* What a claim answers when the CPU is another thread's, and when it has no stacks. */
#define RESTARTABLE_BUSY (-1)

/* Whether Linux restarts this thread's sequences. */
bool restartable_works(void);

/* The CPU's stacks, from now on; NULL: there are none, or the CPU is claimed. */
void restartable_set(unsigned cpu, struct quarry_cpu *block);
struct quarry_cpu *restartable_block(unsigned cpu);

/* The CPU that runs this; outdated at once. */
unsigned restartable_cpu(void);

/* Claims the CPU that runs this, and returns its number, or RESTARTABLE_BUSY. */
int restartable_claim(void);

/* As quarry_port_pop() and quarry_port_push(). */
void *restartable_pop(size_t stack);
bool restartable_push(size_t stack, void *object);

#endif
