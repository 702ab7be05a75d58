/* SPDX-License-Identifier: MIT */
/* The sampler's state; see sampler.h. */
#include "mm/debug/sampler.h"

struct sampler sampler;

void sampler_init(const struct quarry_setup *setup)
{
    sampler = (struct sampler){.set_access = setup->set_access, .seed = setup->seed};
}
