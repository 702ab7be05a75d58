/* SPDX-License-Identifier: MIT */
/*
 * The live part of the screen while tests and stress loops run (option `live`). It is above the
 * lines that scroll and shows the machine, the progress of the run, a map of memory, the operations
 * of each CPU, and the cost of an allocation under that load.
 *
 * CPU 0's timer interrupt draws it four times a second. It acquires no lock of Quarry. It reads
 * quarry_memory_use() of each 2 MiB, and the counters below, each of which is written by one CPU. A
 * number may be inconsistent with the others until the next drawing. Without a framebuffer, or
 * without `live`, these functions only count.
 */
#ifndef BOOT_DASHBOARD_H
#define BOOT_DASHBOARD_H

#include <stdint.h>

#include "boot/handoff.h"

/* Starts the drawing. Interrupts are off. `machine`: a line that stays. `hertz`: calls of
 * dashboard_tick() per second; 0: none. */
void dashboard_start(const struct handoff *handoff, const char *machine, unsigned hertz);

/* CPU 0's timer interrupt. */
void dashboard_tick(void);

/* The run ends: no more drawing, and the last state stays on the screen. */
void dashboard_stop(void);

/* Part `number` of `total` of the run begins. */
void dashboard_part(unsigned number, unsigned total, const char *name);

/* This CPU has completed a round of a stress loop. */
void dashboard_count(unsigned cpu);

/* This CPU needed `ticks` for a pair of calls. `draws` is dashboard_draws() from before the pair:
 * if the dashboard was drawn meanwhile, the sample does not count. */
void dashboard_latency(unsigned cpu, uint64_t ticks, unsigned draws);
unsigned dashboard_draws(void);

/* Latencies over all samples, in nanoseconds. */
struct dashboard_latencies {
    uint64_t samples;
    uint64_t median, permille_999, worst; /* upper bounds of half, of 999 in 1000, of all samples */
};
struct dashboard_latencies dashboard_latencies(void);

#endif
