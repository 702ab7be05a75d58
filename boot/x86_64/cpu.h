/* SPDX-License-Identifier: MIT */
/*
 * One CPU: the block that its GS points at, its descriptor tables and stacks.
 */
#ifndef BOOT_X86_64_CPU_H
#define BOOT_X86_64_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry_arch.h>

/* Null, code, data, and two entries for the task state. */
#define GDT_ENTRIES 5u
#define GDT_CODE 0x08u
#define GDT_DATA 0x10u
#define GDT_TASK 0x18u

#define CPU_STACK_BYTES ((size_t)32 * 1024)
#define CPU_FAULT_STACK_BYTES ((size_t)8 * 1024)
/* A guard page, the stack, a guard page, the stack for faults that may be caused by the stack. */
#define CPU_STACK_AREA_BYTES (4096 + CPU_STACK_BYTES + 4096 + CPU_FAULT_STACK_BYTES)

/* Number, 1 to 7, in the task state, of the stack for double faults, NMIs and machine checks. */
#define CPU_FAULT_STACK 1u

struct task_state {
    uint32_t reserved0;
    uint64_t stack[3];
    uint64_t reserved1;
    uint64_t interrupt_stack[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map;
} __attribute__((__packed__));

/*
 * Written by the boot CPU before this CPU starts, afterwards only by this CPU. Exceptions, both
 * atomic: `work` (the boot CPU sets it when it is NULL, this CPU resets it to NULL) and `alive`
 * (set once by this CPU).
 */
struct cpu {
    struct cpu *self;
    uint32_t number;
    uint32_t apic_id;
    bool alive;
    void (*work)(void *argument);
    void *argument;
    uintptr_t stack_area;
    struct quarry_cpu quarry __attribute__((__aligned__(64)));
    uint64_t gdt[GDT_ENTRIES];
    struct task_state task;
} __attribute__((__aligned__(64)));

_Static_assert(offsetof(struct cpu, self) == QUARRY_GS_SELF, "as in quarry_arch.h");
_Static_assert(offsetof(struct cpu, number) == QUARRY_GS_NUMBER, "as in quarry_arch.h");
_Static_assert(offsetof(struct cpu, quarry) == QUARRY_GS_BLOCK, "as in quarry_arch.h");

static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;
    __asm__ volatile("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

static inline uintptr_t cpu_stack_top(const struct cpu *cpu)
{
    return cpu->stack_area + 4096 + CPU_STACK_BYTES;
}

/* Loads this CPU's segment and task descriptors and its GS. Interrupts are off. */
void cpu_load(struct cpu *cpu);

#endif
