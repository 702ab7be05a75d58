/* SPDX-License-Identifier: MIT */
/*
 * Interrupts and faults: one table for all CPUs, a handler per vector.
 *
 * Exceptions print a report with all registers and stop. NMIs call a handler, if there is one.
 * Other interrupts call their handler, with interrupts off, and are acknowledged afterwards.
 */
#ifndef BOOT_X86_64_INTERRUPTS_H
#define BOOT_X86_64_INTERRUPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/x86_64/vectors.h"

/* The registers as the stubs of entry.S push them. */
struct interrupt_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector;
    uint64_t error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* Fills the table. Called once, before any CPU loads it. Masks the old interrupt controller. */
void interrupts_init(void);

/* Loads the table on this CPU. */
void interrupts_load(void);

/* The function that every NMI calls; NULL: none. */
void interrupts_set_nmi_handler(void (*handler)(void));

/* Called before interrupts are enabled. */
void interrupts_set_handler(unsigned vector, void (*handler)(void));

/*
 * Runs `work(argument)` on this CPU with the trap flag set. `on_step` is called after every
 * instruction, with interrupts off, and is told whether they were on. One CPU at a time.
 */
void interrupts_step(void (*work)(void *argument), void *argument,
                     void (*on_step)(bool interrupts_were_on));

/* Sets a function that every page fault calls first. If it returns, the fault is reported. */
void interrupts_set_page_fault_hook(void (*hook)(const void *address, bool write,
                                                 const void *instruction));

/* Sets the function that gets the report of a fault. It must not return. */
void interrupts_set_fault_sink(void (*sink)(const char *report));

#endif
