/* SPDX-License-Identifier: MIT */
/* The platform of tests in the guest (tests/framework/platform.h): memory, CPUs, interrupts. */
#ifndef BOOT_GUEST_H
#define BOOT_GUEST_H

#include "boot/handoff.h"

void guest_init(const struct handoff *handoff);

/* If a test expects a stop, passes it the report and does not return. Otherwise returns. */
void guest_stopped(const char *report);

/* The number of frames that the last fresh heap got from boot services. */
size_t guest_reclaimed_frames(void);

#endif
