/* SPDX-License-Identifier: MIT */
/*
 * Threads of the kernel: preempted by the timer, run by whichever CPU is free, so they move.
 *
 * One list of those that can run, one lock for it and for all semaphores. Whoever switches holds
 * the lock across the switch, and who comes to run gives it back: so no CPU can take up a thread
 * that another has not yet left.
 */
#ifndef THREAD_H
#define THREAD_H

#include "kernel.h"

void thread_init_cpu(struct cpu *cpu); /* what runs becomes the CPU's idle thread */
bool thread_start(void (*run)(void *argument), void *argument); /* false: no memory */
_Noreturn void thread_idle(void);
void thread_tick(void); /* the timer's interrupt */
unsigned long thread_moves(void);

struct semaphore {
    unsigned count;
    struct list waiting;
};

void semaphore_init(struct semaphore *semaphore, unsigned count);
void semaphore_down(struct semaphore *semaphore);
void semaphore_up(struct semaphore *semaphore);

/* Idle CPUs scavenge and timers allocate; not while this is set. */
extern bool quiet;

#endif
