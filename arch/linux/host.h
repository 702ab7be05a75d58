/* SPDX-License-Identifier: MIT */
/*
 * The host as a machine: a large reserved mapping plays physical memory, threads play CPUs.
 *
 * Physical address 0 is the mapping's start. Only what is touched takes real memory, so the window
 * may be far larger than the host's.
 */
#ifndef ARCH_LINUX_HOST_H
#define ARCH_LINUX_HOST_H

#include <stdbool.h>
#include <stdint.h>

#define HOST_WINDOW_BYTES ((uint64_t)4 << 30)

/* Virtual address of physical 0, a multiple of 1 GiB. Made at the first call. */
uintptr_t host_direct_map(void);

/* Runs `work(argument)` on `cpus` threads with the CPU numbers 0 up; this thread is 0. */
void host_run_cpus(unsigned cpus, void (*work)(void *argument), void *argument);

/* Replaces what quarry_port_panic() does: print to standard error and abort. */
void host_on_panic(void (*handler)(const char *report));

/* A page of the window that cannot be accessed, or can again: as setup.set_access wants it. */
void host_set_access(void *page, bool accessible);

/* Makes the whole window accessible again. */
void host_restore_access(void);

/* Calls `handler` at each access to a page that cannot be accessed. If it returns, the process
 * ends. */
void host_on_fault(void (*handler)(const void *address, bool write, const void *instruction));

/* This thread plays the CPU of this number from now on. */
void linux_be_cpu(unsigned number);

/* Replaces what a waiting CPU does: let another thread run. NULL: that again. */
void host_on_pause(void (*handler)(void));

#endif
