/* SPDX-License-Identifier: MIT */
/*
 * Remote drain: asks the other CPUs to empty their caches, and waits a bounded time.
 *
 * A request is a flag in the other CPU's cache. That CPU drains when it takes the interrupt that
 * the port sends, if it has one, or at its next miss. No CPU touches another CPU's magazines.
 */
#ifndef MM_RECLAIM_REMOTE_DRAIN_H
#define MM_RECLAIM_REMOTE_DRAIN_H

/* `interrupt_cpu` is the port's, see struct quarry_setup; NULL: it has none. */
void remote_drain_init(void (*interrupt_cpu)(unsigned cpu));

/* Requests a drain of all other CPUs, drains this one, and waits for QUARRY_DRAIN_WAIT_ROUNDS at
 * most. Returns the number of CPUs that did not answer. Interrupts on, not in a handler. */
unsigned remote_drain(void);

#endif
