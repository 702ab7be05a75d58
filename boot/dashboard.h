/* SPDX-License-Identifier: MIT */
/*
 * What a person sees while tests and stress loops run (option `live`): above the lines that scroll,
 * a part of the screen that shows the machine, how far the run is, a map of the memory that fills
 * and empties, what each CPU does, and what allocation costs under that load.
 *
 * Drawn by CPU 0's timer interrupt, four times a second. It reads only what is
 * valid at any moment: quarry_memory_use() of each 2 MiB, and the counters below, each written by
 * one CPU. No lock of Quarry's is taken; a figure may be corrupted for a quarter of a second.
 * Without a framebuffer, or without `live`, all here only counts.
 */
#ifndef BOOT_DASHBOARD_H
#define BOOT_DASHBOARD_H

#include <stdint.h>

#include "boot/handoff.h"

/* From now on it is drawn, by dashboard_tick(). Interrupts are off. `machine`: a line that stays.
 * `hertz`: how often in a second that is called; 0: never. */
void dashboard_start(const struct handoff *handoff, const char *machine, unsigned hertz);

/* CPU 0's timer interrupt. */
void dashboard_tick(void);

/* The run goes to its end: no more drawing, and the last state stays. */
void dashboard_stop(void);

/* Part `number` of `total` of the run begins. */
void dashboard_part(unsigned number, unsigned total, const char *name);

/* This CPU has done a round of a stress loop. */
void dashboard_count(unsigned cpu);

/* This CPU took so many ticks for a pair of calls. Not counted where it was drawn meanwhile:
 * `draws` is dashboard_draws() before. */
void dashboard_latency(unsigned cpu, uint64_t ticks, unsigned draws);
unsigned dashboard_draws(void);

/* Of all samples so far, in nanoseconds. */
struct dashboard_latencies {
    uint64_t samples;
    uint64_t median, most, worst; /* half of all, 999 of 1000, and all are no more than this */
};
struct dashboard_latencies dashboard_latencies(void);

#endif
