/* SPDX-License-Identifier: MIT */
/*
 * All CPUs: starting them, and running functions on them.
 *
 * The CPUs are started one after the other from a trampoline page below 1 MiB (entry.S). A CPU that
 * does not respond before its deadline gets no number and returns to its wait state.
 */
#ifndef BOOT_X86_64_SMP_H
#define BOOT_X86_64_SMP_H

#include <stdint.h>

#include "boot/x86_64/cpu.h"

struct smp_memory {
    uintptr_t trampoline;  /* a page below 1 MiB */
    struct cpu *cpus;      /* one per CPU that may start, cleared */
    uintptr_t stack_areas; /* CPU_STACK_AREA_BYTES for each */
};

/* Makes this CPU number 0: loads its tables and GS. The caller switches to its stack afterwards. */
void smp_init(const struct smp_memory *memory, uint32_t boot_apic_id);

/*
 * Starts the CPU, which gets the next number. False: it did not respond within `deadline_ms`. Its
 * timer interrupts `timer_hertz` times per second; 0: no timer.
 */
bool smp_start(uint32_t apic_id, unsigned deadline_ms, unsigned timer_hertz);

unsigned smp_cpu_count(void);
struct cpu *smp_cpu(unsigned number);

/* Runs `work(argument)` on CPUs 0 to cpus - 1; returns when all have finished. Called on CPU 0. */
void smp_run(unsigned cpus, void (*work)(void *argument), void *argument);

/* Sends an interrupt to the CPU with this number. */
void smp_interrupt(unsigned number, unsigned vector);

/* In entry.S. Continues in `next(argument)` on another stack. */
_Noreturn void stack_switch(uintptr_t top, void (*next)(void *argument), void *argument);

#endif
