/* SPDX-License-Identifier: MIT */
/*
 * What tests need of the machine they run on: the host's process (arch/linux) or the guest (boot/).
 */
#ifndef TESTS_FRAMEWORK_PLATFORM_H
#define TESTS_FRAMEWORK_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#include <quarry/port.h>

void platform_print(const char *text);

/* Test `number` of `total` begins; for a status line, if there is one. */
void platform_progress(unsigned number, unsigned total, const char *name);

/* CPUs that platform_run() can use at once. */
unsigned platform_cpu_count(void);

/*
 * Runs `work(argument)` on CPUs 0 to cpus - 1 at the same time, each with its own CPU number, and
 * returns when all are done. This CPU is 0.
 */
void platform_run(unsigned cpus, void (*work)(void *argument), void *argument);

/* This CPU has done a round of a stress loop: for those who watch. */
void platform_note_round(void);

/* Runs `work`, a pair of calls, and notes how long it took, for those who watch. */
void platform_time(void (*work)(void));

/* Whether every masking of interrupts on this CPU was undone. */
bool platform_interrupts_on(void);

/* Milliseconds since some moment; goes on while the tests run. */
uint64_t platform_milliseconds(void);

/* The memory for a heap, and its number of CPUs. */
void platform_setup(struct quarry_setup *setup);

/* A fresh heap is about to begin: no CPU has a cache any more. */
void platform_forget_caches(void);

/*
 * From now on every CPU's timer interrupt calls `handler`; NULL: none. A machine without
 * interrupts does nothing.
 */
void platform_on_tick(void (*handler)(void));

/*
 * Runs `work(argument)` one instruction at a time and calls `between` at every boundary at which an
 * interrupt could come, as an interrupt handler would be called. Returns how often; 0 on a machine
 * that cannot do it, where `work` is not run.
 */
unsigned long platform_step(void (*work)(void *argument), void *argument, void (*between)(void));

/* From here on this thread is on CPU `cpu`, on which nothing else of the tests may run meanwhile.
 */
void platform_move_to(unsigned cpu);

/* Calls `handler` whenever a CPU waits for another; NULL: not any more. False where the machine
 * cannot do it. */
bool platform_on_pause(void (*handler)(void));

/* Where the next stop goes, instead of the end of everything: `jump` must not return. */
typedef void platform_stop_handler(const char *report);
void platform_on_stop(platform_stop_handler *handler);

#endif
