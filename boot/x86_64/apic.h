/* SPDX-License-Identifier: MIT */
/*
 * The local APIC: timer, interrupts between CPUs, starting CPUs. Its registers are memory at a base
 * address, or MSRs if the firmware enabled the x2APIC.
 */
#ifndef BOOT_X86_64_APIC_H
#define BOOT_X86_64_APIC_H

#include <stdbool.h>
#include <stdint.h>

/* Physical address of the registers, mapped by the caller before apic_init(); 0 with the x2APIC. */
uintptr_t apic_base(void);

/* Enables this CPU's APIC. Only the spurious vector is not masked. */
void apic_init(void);

uint32_t apic_id(void);
void apic_acknowledge(void);

/* Measures the timer's rate with the timestamp counter. Called once. */
void apic_timer_calibrate(void);

/* Starts this CPU's timer: `hertz` interrupts per second. */
void apic_timer_start(unsigned hertz);

/* Without the x2APIC, interrupts can be sent only to ids below 255. */
bool apic_can_reach(uint32_t to_apic_id);

void apic_send(uint32_t to_apic_id, unsigned vector);

/* Send INIT, and STARTUP with the address of a page below 1 MiB. All waits are bounded. */
void apic_send_init(uint32_t to_apic_id);
void apic_send_startup(uint32_t to_apic_id, uintptr_t page);

#endif
