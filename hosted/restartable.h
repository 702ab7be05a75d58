/* SPDX-License-Identifier: MIT */
/*
 * Magazines of the machine's CPUs, for threads without magazines of their own.
 *
 * A thread accesses the magazines of the CPU that it runs on by restartable sequences. If Linux
 * preempts, migrates or signals a thread inside a sequence, the thread starts the sequence again,
 * as with quarry_irq_enter() in a kernel (arch/x86_64/fast_path.c). glibc registers each thread for
 * this.
 *
 * A program cannot mask interrupts. The slow paths change a cache in many instructions, so they
 * claim the CPU first. A table has an entry for each CPU, through which every sequence finds the
 * magazines. A claim replaces the entry by NULL, in a restartable sequence too. Another thread that
 * was inside a sequence on this CPU was preempted by the claiming thread, so it starts again. A
 * sequence that finds NULL misses, and its thread waits on the slow path. If Linux moves the
 * claiming thread to another CPU, the claim stays valid until the thread stores the entry again.
 *
 * Source: rseq(2) and TCMalloc's per-CPU caches, which stop one magazine at a time. The table is
 * Quarry's own.
 */
#ifndef HOSTED_RESTARTABLE_H
#define HOSTED_RESTARTABLE_H

#include <stdbool.h>
#include <stddef.h>

struct quarry_cpu;

/* The number of entries: the largest number of CPUs that Linux for x86-64 supports. */
#define RESTARTABLE_CPUS_MAX 8192

/* The result of a claim if another thread claims the CPU, or it has no magazines. */
#define RESTARTABLE_BUSY (-1)

/* Whether Linux restarts this thread's sequences. */
bool restartable_works(void);

/* Sets and returns a CPU's magazines. NULL: none, or the CPU is claimed. */
void restartable_set(unsigned cpu, struct quarry_cpu *block);
struct quarry_cpu *restartable_block(unsigned cpu);

/* The CPU that runs this thread. The thread may move at any time, so this is a hint. */
unsigned restartable_cpu(void);

/* Claims the current CPU and returns its number, or RESTARTABLE_BUSY. */
int restartable_claim(void);

/* As quarry_port_pop() and quarry_port_push(). */
void *restartable_pop(size_t magazine);
bool restartable_push(size_t magazine, void *object);

#endif
