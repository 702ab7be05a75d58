/* SPDX-License-Identifier: MIT */
/* The platform of tests in the guest (tests/framework/platform.h): memory, CPUs, interrupts. */
#ifndef BOOT_GUEST_H
#define BOOT_GUEST_H

#include "boot/handoff.h"

void guest_init(const struct handoff *handoff);

/* A stop's report: goes to the test that expects it, and then does not return; else returns. */
void guest_stopped(const char *report);

/* Frames that the last fresh heap got from boot services. */
size_t guest_reclaimed_frames(void);

#endif
