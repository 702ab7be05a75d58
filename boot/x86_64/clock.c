/* SPDX-License-Identifier: MIT */
/* Time; see clock.h. */
#include "boot/x86_64/clock.h"

#include <quarry_arch.h>

#include "boot/x86_64/instructions.h"

static uint64_t rate;
static uint64_t start;

void clock_init(uint64_t ticks_per_second)
{
    /* A rate near 0 would make every wait endless, so assume 1 GHz instead. */
    rate = ticks_per_second >= 1000000 ? ticks_per_second : 1000000000;
    start = timestamp();
}

uint64_t clock_ticks_per_second(void)
{
    return rate;
}

uint64_t clock_microseconds(void)
{
    uint64_t ticks = timestamp() - start;
    return ticks / rate * 1000000 + ticks % rate * 1000000 / rate;
}

void clock_wait_microseconds(uint64_t microseconds)
{
    uint64_t end = clock_microseconds() + microseconds;
    while (clock_microseconds() < end)
        quarry_port_pause();
}
