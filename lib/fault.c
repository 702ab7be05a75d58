/* SPDX-License-Identifier: MIT */
/* Injected failures; see fault.h. */
#include "lib/fault.h"

#include "lib/atomic.h"
#include "lib/random.h"

/* Which requests fail, of those that are counted. */
struct plan {
    unsigned first;
    unsigned count;  /* 0: no range */
    unsigned every;  /* 0: not periodic */
    unsigned one_in; /* 0: not random */
    unsigned seed;
};

/* Written by the test while no other CPU is in Quarry. */
static struct plan plan;
static unsigned armed_sites; /* atomic; written after the plan */
static unsigned requests;    /* atomic */

static void arm(unsigned site_mask, struct plan chosen)
{
    plan = chosen;
    atomic_store_relaxed(&requests, 0);
    atomic_store_release(&armed_sites, site_mask);
}

void fault_arm(unsigned site_mask, unsigned first, unsigned count)
{
    arm(site_mask, (struct plan){.first = first, .count = count});
}

void fault_arm_every(unsigned site_mask, unsigned n)
{
    arm(site_mask, (struct plan){.every = n});
}

void fault_arm_randomly(unsigned site_mask, unsigned one_in, unsigned seed)
{
    arm(site_mask, (struct plan){.one_in = one_in, .seed = seed});
}

unsigned fault_disarm(void)
{
    atomic_store_release(&armed_sites, 0);
    return atomic_load_relaxed(&requests);
}

/* Depends only on the request's number, not on the CPU. */
static bool fails_randomly(unsigned number)
{
    struct random random = random_seeded((uint64_t)plan.seed << 32 | number);
    return random_below(&random, plan.one_in) == 0;
}

bool fault_requested(enum fault_site site)
{
    if (!(atomic_load_acquire(&armed_sites) >> site & 1))
        return false;
    unsigned number = atomic_fetch_add(&requests, 1) + 1;
    if (plan.every != 0)
        return number % plan.every == 0;
    if (plan.one_in != 0)
        return fails_randomly(number);
    return number >= plan.first && number - plan.first < plan.count;
}
