/* SPDX-License-Identifier: MIT */
/*
 * The scavenger: idle arenas go back to the frame allocator, but not those that will be wanted
 * again in a moment.
 *
 * Every step notes the most arenas that were busy at once since the last step, and keeps as many
 * as the busiest of the last eight steps needed. So a load that swings faster than eight steps
 * never pays for its swings, and a peak that is over is given back, sixteen arenas a step. (After
 * TCMalloc's demand-based release.)
 *
 * Locking: the scavenger's own state is touched only under the page heap's lock.
 */
#ifndef MM_PAGES_SCAVENGER_H
#define MM_PAGES_SCAVENGER_H

#include <stddef.h>

#define SCAVENGER_STEPS_REMEMBERED 8u
#define SCAVENGER_ARENAS_PER_STEP 16u

void scavenger_init(void);

/* One step; returns the frames given back. */
size_t scavenger_step(void);

/* All idle arenas, at once; returns the frames given back. */
size_t scavenger_release_all(void);

#endif
