/* SPDX-License-Identifier: MIT */
/*
 * The scavenger: frees memory that was not needed for some time, one step at a time.
 *
 * A step drains the magazines of this CPU that did not move for QUARRY_SCAVENGE_STEPS_REMEMBERED
 * steps, trims the transfer caches, destroys kept spans of idle central lists, and releases idle
 * arenas, but not those that will be needed again soon: it keeps as many arenas as were in use at
 * once in any of the remembered steps. So a load that rises and falls within that time pays nothing
 * for it, and the memory of a peak that is over is freed, at most QUARRY_SCAVENGE_ARENAS_PER_STEP
 * arenas a step. (After TCMalloc's demand-based release.)
 *
 * Locking: the state is touched only by steps; two at a time only make the estimate worse. Each
 * part of a step takes its own lock.
 */
#ifndef MM_RECLAIM_SCAVENGER_H
#define MM_RECLAIM_SCAVENGER_H

#include <stddef.h>

/* Forgets the peaks. */
void scavenger_init(void);

/* One step; returns the number of frames that were freed. */
size_t scavenger_step(void);

#endif
