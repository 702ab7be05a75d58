/* SPDX-License-Identifier: MIT */
/*
 * Kernel threads. The timer preempts them, and any free CPU runs them, so they move between CPUs.
 *
 * There is one list of runnable threads, and one lock for it and for all semaphores. A thread
 * acquires the lock before a switch, and the next thread releases it afterwards. So no CPU can run
 * a thread whose stack another CPU still uses.
 */
#ifndef THREAD_H
#define THREAD_H

#include "kernel.h"

void thread_init_cpu(struct cpu *cpu); /* the running code becomes the CPU's idle thread */
bool thread_start(void (*run)(void *argument), void *argument); /* false: no memory */
_Noreturn void thread_idle(void);
void thread_tick(void); /* called by the timer's interrupt */
unsigned long thread_moves(void);

struct semaphore {
    unsigned count;
    struct list waiting;
};

void semaphore_init(struct semaphore *semaphore, unsigned count);
void semaphore_down(struct semaphore *semaphore);
void semaphore_up(struct semaphore *semaphore);

/* While set, idle CPUs do not scavenge and timer interrupts do not allocate. */
extern bool quiet;

#endif
