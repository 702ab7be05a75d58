/* SPDX-License-Identifier: MIT */
/* Time by the timestamp counter, whose rate firmware.c measured with the firmware's clock. */
#ifndef BOOT_X86_64_CLOCK_H
#define BOOT_X86_64_CLOCK_H

#include <stdint.h>

/* Sets the rate of the timestamp counter. Called before the other functions. */
void clock_init(uint64_t ticks_per_second);

uint64_t clock_ticks_per_second(void);

/* Since clock_init(). */
uint64_t clock_microseconds(void);

void clock_wait_microseconds(uint64_t microseconds);

#endif
