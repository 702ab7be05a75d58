/* SPDX-License-Identifier: MIT */
/*
 * The functions that tests use of the machine: a process of the host (arch/linux) or the guest
 * (boot/).
 */
#ifndef TESTS_FRAMEWORK_PLATFORM_H
#define TESTS_FRAMEWORK_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#include <quarry/port.h>

void platform_print(const char *text);

/* Test `number` of `total` begins. For a status line, if the platform has one. */
void platform_progress(unsigned number, unsigned total, const char *name);

/* The number of CPUs that platform_run() can use. */
unsigned platform_cpu_count(void);

/*
 * Runs `work(argument)` on CPUs 0 to cpus - 1 at the same time. Returns when all have finished. The
 * calling CPU is 0.
 */
void platform_run(unsigned cpus, void (*work)(void *argument), void *argument);

/* This CPU has completed a round of a stress loop. For the live screen. */
void platform_note_round(void);

/* Runs `work`, a pair of calls, and records its duration for the live screen. */
void platform_time(void (*work)(void));

/* Whether every masking of interrupts on this CPU was undone. */
bool platform_interrupts_on(void);

/* Milliseconds since an unspecified start. */
uint64_t platform_milliseconds(void);

/* Fills in the setup of a heap: memory, number of CPUs, optional functions. */
void platform_setup(struct quarry_setup *setup);

/* Called before a fresh heap: resets every CPU's block. */
void platform_forget_caches(void);

/*
 * Sets the function that every CPU's timer interrupt calls; NULL: none. On a machine without
 * interrupts it does nothing.
 */
void platform_on_tick(void (*handler)(void));

/*
 * Runs `work(argument)` one instruction at a time. Calls `between` like an interrupt handler after
 * every instruction at which an interrupt is possible. Returns the number of calls; 0 if the
 * machine has no single steps, and then `work` does not run.
 */
unsigned long platform_step(void (*work)(void *argument), void *argument, void (*between)(void));

/* The same, but calls `between` like an NMI handler: after every instruction, whether interrupts
 * are on or masked. */
unsigned long platform_step_nmi(void (*work)(void *argument), void *argument,
                                void (*between)(void));

/* Sets the function that every NMI calls; NULL: none. On a machine without NMIs it does nothing. */
void platform_on_nmi(void (*handler)(void));

/* Moves this thread to CPU `cpu`, on which no other test code may run. */
void platform_move_to(unsigned cpu);

/* Sets the function that a CPU calls while it waits for another; NULL: none. False: not possible on
 * this machine. */
bool platform_on_pause(void (*handler)(void));

/* Sets the function that the next stop calls; NULL: none. It must not return. */
typedef void platform_stop_handler(const char *report);
void platform_on_stop(platform_stop_handler *handler);

#endif
