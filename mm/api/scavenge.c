/* SPDX-License-Identifier: MIT */
/* The public functions that free memory that is not needed; see mm/reclaim. */
#include <quarry/quarry.h>

#include "mm/reclaim/reclaim.h"
#include "mm/reclaim/scavenger.h"

size_t quarry_scavenge_step(void)
{
    return scavenger_step();
}

size_t quarry_scavenge(void)
{
    return reclaim(RECLAIM_ALL, 1);
}
