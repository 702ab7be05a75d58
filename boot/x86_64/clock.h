/* SPDX-License-Identifier: MIT */
/* Time, from the timestamp counter, whose rate the firmware's clock told us. */
#ifndef ARCH_X86_64_CLOCK_H
#define ARCH_X86_64_CLOCK_H

#include <stdint.h>

/* Ticks of the timestamp counter in a second; before anything else here. */
void clock_init(uint64_t ticks_per_second);

uint64_t clock_ticks_per_second(void);

/* Since clock_init(). */
uint64_t clock_microseconds(void);

void clock_wait_microseconds(uint64_t microseconds);

#endif
