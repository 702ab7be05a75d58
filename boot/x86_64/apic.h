/* SPDX-License-Identifier: MIT */
/*
 * The local APIC: timer, interrupts between CPUs, starting CPUs. As memory at its base address, or
 * through MSRs where the firmware left the x2APIC on.
 */
#ifndef ARCH_X86_64_APIC_H
#define ARCH_X86_64_APIC_H

#include <stdbool.h>
#include <stdint.h>

/* Physical address of the registers, to be mapped before apic_init(); 0 with the x2APIC. */
uintptr_t apic_base(void);

/* On each CPU: enables its APIC, everything masked but the spurious vector. */
void apic_init(void);

uint32_t apic_id(void);
void apic_acknowledge(void);

/* Measures the timer's rate against the timestamp counter; once. */
void apic_timer_calibrate(void);

/* This CPU's timer interrupts `hertz` times a second from now on. */
void apic_timer_start(unsigned hertz);

/* Without the x2APIC only CPUs with ids below 255 can be sent to. */
bool apic_can_reach(uint32_t to_apic_id);

void apic_send(uint32_t to_apic_id, unsigned vector);

/* INIT, and STARTUP at a page below 1 MiB. Bounded waits. */
void apic_send_init(uint32_t to_apic_id);
void apic_send_startup(uint32_t to_apic_id, uintptr_t page);

#endif
