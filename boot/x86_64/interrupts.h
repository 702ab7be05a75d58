/* SPDX-License-Identifier: MIT */
/*
 * Interrupts and faults: one table for all CPUs, one way in, a handler per vector.
 *
 * Exceptions print a report with all registers and stop. NMIs are counted. Device interrupts go
 * to their handler, with interrupts off, and are acknowledged afterwards.
 */
#ifndef ARCH_X86_64_INTERRUPTS_H
#define ARCH_X86_64_INTERRUPTS_H

#include <stdbool.h>
#include <stdint.h>

#define VECTOR_TIMER 0x40u
#define VECTOR_DRAIN 0x41u
#define VECTOR_WAKE 0x42u
#define VECTOR_SPURIOUS 0xffu

/* Which of the task state's stacks double faults, NMIs and machine checks use: 1 to 7. */
#define INTERRUPT_FAULT_STACK 1u

/* As the stubs of entry.S push it. */
struct interrupt_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector;
    uint64_t error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* Fills the table; once, before any CPU loads it. Also silences the old interrupt controller. */
void interrupts_init(void);

/* This CPU uses the table. */
void interrupts_load(void);

/* Before interrupts are on. */
void interrupts_set_handler(unsigned vector, void (*handler)(void));

/*
 * Runs `work(argument)` with the trap flag set: on this CPU `on_step` is called, with interrupts
 * off, after every instruction, and told whether they were on there. One CPU at a time.
 */
void interrupts_step(void (*work)(void *argument), void *argument,
                     void (*on_step)(bool interrupts_were_on));

/* Called first at every page fault; if it returns, the fault is reported as any other. */
void interrupts_set_page_fault_hook(void (*hook)(const void *address, bool write,
                                                 const void *instruction));

/* Where the report of a fault goes; must not return. */
void interrupts_set_fault_sink(void (*sink)(const char *report));

#endif
