/* SPDX-License-Identifier: MIT */
/*
 * Injected failures. In builds with QUARRY_FAULTS a test can make any request to a lower layer
 * fail, as if memory were exhausted or another CPU had won a race. In other builds fault_here() is
 * false at compile time.
 *
 * A site is a place where a request can fail in production. The code that handles the failure is
 * under test. Requests are counted over all chosen sites, in the order of the calls.
 */
#ifndef LIB_FAULT_H
#define LIB_FAULT_H

#include <stdbool.h>

#include <quarry/config.h>

enum fault_site {
    FAULT_FRAME,       /* 2^order frames, order 0 to 9 */
    FAULT_RANGE,       /* a run of frames, by search */
    FAULT_REMNANT,     /* the rest of a broken child */
    FAULT_CLAIM_PIECE, /* one child's part of a run: another CPU was faster */
    FAULT_CLAIM_WORD,  /* one word, 64 frames, of a child: another CPU was faster */
    FAULT_DESCRIPTOR,  /* an item of a metadata pool */
    FAULT_SITES
};

#define FAULT_ALL_SITES ((1u << FAULT_SITES) - 1)

/* Requests `first` (1: the next one) to `first + count - 1` at the sites in the mask fail. */
void fault_arm(unsigned site_mask, unsigned first, unsigned count);

/* Every n-th request at these sites fails. `n` is 1 or more. */
void fault_arm_every(unsigned site_mask, unsigned n);

/* One request in `one_in` fails, at random. The same seed gives the same failures. */
void fault_arm_randomly(unsigned site_mask, unsigned one_in, unsigned seed);

/* Ends the failures. Returns the number of requests since the last fault_arm*(). */
unsigned fault_disarm(void);

bool fault_requested(enum fault_site site);

/* Whether this request fails. A macro: builds without faults have no call here. */
#define fault_here(site) (QUARRY_FAULTS && fault_requested(site))

#endif
