/* SPDX-License-Identifier: MIT */
/* Injected failures; see fault.h. */
#include "lib/fault.h"

#include "lib/atomic.h"

/* Atomic each; changed by the test while no other CPU is inside Quarry. */
static unsigned armed_sites;
static unsigned first_failing;
static unsigned failing_count;
static unsigned requests;

void fault_arm(unsigned site_mask, unsigned first, unsigned count)
{
    atomic_store_relaxed(&first_failing, first);
    atomic_store_relaxed(&failing_count, count);
    atomic_store_relaxed(&requests, 0);
    atomic_store_release(&armed_sites, site_mask);
}

unsigned fault_disarm(void)
{
    atomic_store_release(&armed_sites, 0);
    return atomic_load_relaxed(&requests);
}

bool fault_requested(enum fault_site site)
{
    if (!(atomic_load_acquire(&armed_sites) >> site & 1))
        return false;
    unsigned number = atomic_fetch_add(&requests, 1) + 1;
    unsigned first = atomic_load_relaxed(&first_failing);
    return number >= first && number - first < atomic_load_relaxed(&failing_count);
}
