/* SPDX-License-Identifier: MIT */
/* Descriptor tables of one CPU; see cpu.h. */
#include "boot/x86_64/cpu.h"

#include "boot/x86_64/instructions.h"

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((__packed__));

/* In entry.S. Loads the table and all segment registers. */
void cpu_load_gdt(const struct table_pointer *gdt);

static void fill_gdt(struct cpu *cpu)
{
    uintptr_t task = (uintptr_t)&cpu->task;
    cpu->gdt[0] = 0;
    cpu->gdt[1] = 0x00af9a000000ffffu; /* 64-bit code */
    cpu->gdt[2] = 0x00cf92000000ffffu; /* data */
    cpu->gdt[3] = (sizeof cpu->task - 1) | (task & 0xffffff) << 16 | 0x89ull << 40 |
                  (task >> 24 & 0xff) << 56;
    cpu->gdt[4] = task >> 32;
}

void cpu_load(struct cpu *cpu)
{
    cpu->self = cpu;
    fill_gdt(cpu);
    cpu->task.io_map = sizeof cpu->task;
    cpu->task.interrupt_stack[CPU_FAULT_STACK - 1] = cpu->stack_area + CPU_STACK_AREA_BYTES;
    struct table_pointer gdt = {sizeof cpu->gdt - 1, (uintptr_t)cpu->gdt};
    cpu_load_gdt(&gdt);
    __asm__ volatile("ltr %w0" : : "r"((uint16_t)GDT_TASK));
    msr_write(MSR_GS_BASE, (uintptr_t)cpu);
}
