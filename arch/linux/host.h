/* SPDX-License-Identifier: MIT */
/*
 * The host as a machine: a large reserved mapping serves as physical memory, threads serve as CPUs.
 *
 * Physical address 0 is the start of the mapping. Linux commits memory at the first access, so the
 * mapping may be larger than the host's memory.
 */
#ifndef ARCH_LINUX_HOST_H
#define ARCH_LINUX_HOST_H

#include <stdbool.h>
#include <stdint.h>

#define HOST_WINDOW_BYTES ((uint64_t)4 << 30)

/* Virtual address of physical 0, a multiple of 1 GiB. The first call makes the mapping. */
uintptr_t host_direct_map(void);

/* Runs `work(argument)` on `cpus` threads with the CPU numbers 0 to cpus - 1; this thread is 0. */
void host_run_cpus(unsigned cpus, void (*work)(void *argument), void *argument);

/* Sets what quarry_port_panic() calls. NULL: it prints to standard error and aborts. */
void host_on_panic(void (*handler)(const char *report));

/* Makes a page of the mapping inaccessible, or accessible again: for setup.set_access. */
void host_set_access(void *page, bool accessible);

/* Makes the whole mapping accessible again. */
void host_restore_access(void);

/* Calls `handler` at each access to an inaccessible page. If it returns, the process ends. */
void host_on_fault(void (*handler)(const void *address, bool write, const void *instruction));

/* From now on this thread serves as the CPU of this number. */
void linux_be_cpu(unsigned number);

/* Sets what a waiting CPU calls. NULL: it lets another thread run. */
void host_on_pause(void (*handler)(void));

#endif
