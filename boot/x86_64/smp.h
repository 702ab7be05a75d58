/* SPDX-License-Identifier: MIT */
/*
 * All CPUs: starting them, and giving them work.
 *
 * The CPUs are started one after the other from a trampoline page below 1 MiB (entry.S). One that
 * does not answer before its deadline gets no number and is put back to waiting.
 */
#ifndef ARCH_X86_64_SMP_H
#define ARCH_X86_64_SMP_H

#include <stdint.h>

#include "boot/x86_64/cpu.h"

struct smp_memory {
    uintptr_t trampoline;  /* a page below 1 MiB */
    struct cpu *cpus;      /* one per CPU that may start, cleared */
    uintptr_t stack_areas; /* CPU_STACK_AREA_BYTES for each */
};

/* This CPU becomes number 0: its tables, GS, APIC. Runs on its own stack already. */
void smp_init(const struct smp_memory *memory, uint32_t boot_apic_id);

/*
 * Starts the CPU; it gets the next number. False: it did not answer within `deadline_ms`. Each
 * started CPU's timer interrupts `timer_hertz` times a second (0: not at all).
 */
bool smp_start(uint32_t apic_id, unsigned deadline_ms, unsigned timer_hertz);

unsigned smp_cpu_count(void);
struct cpu *smp_cpu(unsigned number);

/* Runs `work(argument)` on CPUs 0 to cpus - 1; returns when all have done it. On CPU 0. */
void smp_run(unsigned cpus, void (*work)(void *argument), void *argument);

/* Sends an interrupt to a CPU by number. */
void smp_interrupt(unsigned number, unsigned vector);

/* In entry.S: continues in `next(argument)` on another stack. */
_Noreturn void stack_switch(uintptr_t top, void (*next)(void *argument), void *argument);

#endif
