/* SPDX-License-Identifier: MIT */
/*
 * Reclaim: all that is done when there is no memory left, or when memory is not needed.
 *
 * Free memory lies in many places between the program and the frame allocator. One ordered list of
 * steps (reclaim.c) says how it is gathered. Each step frees what one place holds to the place
 * below it, so the order is the way that an object takes: other CPUs' caches, this CPU's cache,
 * transfer caches and central lists, arenas, descriptors; then steps that have a price. An occasion
 * chooses the steps that are allowed and worth their cost. A new way to free memory is a new step.
 *
 * The scavenger (scavenger.h) does the same without need, in small steps.
 *
 * Context. No lock of Quarry's is held. RECLAIM_MAY_WAIT: interrupts on, not in a handler. The
 * steps take locks one at a time. Their work grows with the objects and arenas that they free.
 */
#ifndef MM_RECLAIM_RECLAIM_H
#define MM_RECLAIM_RECLAIM_H

#include <stddef.h>

/* Why memory is reclaimed. */
enum reclaim_occasion {
    RECLAIM_FOR_OBJECT = 1u << 0, /* a request for an object would fail */
    RECLAIM_MAY_WAIT = 1u << 1,   /* the same, and it may wait for other CPUs */
    RECLAIM_FOR_FRAMES = 1u << 2, /* a request of the kernel for frames would fail */
    RECLAIM_FOR_TABLES = 1u << 3, /* a CPU that goes online needs its magazines */
    RECLAIM_ALL = 1u << 4,        /* the kernel wants all free memory back: quarry_scavenge() */
};

/* Makes the frame allocator call reclaim() before it fails a request of the kernel. */
void reclaim_init(void);

/*
 * Runs the steps of an occasion in order; returns the number of frames that were freed. With 0
 * frames a request for an object may succeed too, because objects were gathered. `run`: how many
 * frames in a row are needed (1 or more).
 */
size_t reclaim(enum reclaim_occasion occasion, size_t run);

#endif
