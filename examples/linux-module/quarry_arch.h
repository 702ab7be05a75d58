/* SPDX-License-Identifier: MIT */
/*
 * The inline half of the port for Quarry inside Linux on x86-64. It includes no header of Linux, so
 * the names of the two do not meet.
 *
 * Linux does not let a module see the entry of every interrupt, so push and pop mask interrupts
 * (arch/generic/masked.h). Copy, fill and clear are the generic ones too (arch/generic/memory.h).
 * dist/quarry.h contains both files.
 */
#ifndef LINUX_MODULE_QUARRY_ARCH_H
#define LINUX_MODULE_QUARRY_ARCH_H

#ifndef QUARRY_ARCH_HEADER
#include <quarry/port.h>
#endif

/* A per-CPU variable of the module (glue.c). */
struct quarry_linux_cpu {
    unsigned number;
    struct quarry_cpu block __attribute__((__aligned__(64)));
};

#define QUARRY_LINUX_BLOCK "64"
_Static_assert(__builtin_offsetof(struct quarry_linux_cpu, block) == 64, "QUARRY_LINUX_BLOCK is the offset");

static inline uintptr_t quarry_port_irq_save(void)
{
    uintptr_t flags;
    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags) : : "memory");
    return flags;
}

static inline void quarry_port_irq_restore(uintptr_t flags)
{
    if (flags & 1u << 9)
        __asm__ volatile("sti" : : : "memory");
}

static inline void quarry_port_pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

static inline unsigned quarry_port_cpu_number(void)
{
    unsigned number;
    __asm__ volatile("movl %%gs:quarry_linux_cpu, %0" : "=r"(number));
    return number;
}

/* this_cpu_off is Linux's: the offset from a per-CPU variable's address to this CPU's copy. */
static inline struct quarry_cpu *quarry_port_cpu(void)
{
    struct quarry_cpu *block;
    __asm__ volatile("movq %%gs:this_cpu_off, %0\n\t"
                     "addq $quarry_linux_cpu+" QUARRY_LINUX_BLOCK ", %0"
                     : "=r"(block)
                     :
                     : "cc");
    return block;
}

#ifndef QUARRY_ARCH_HEADER
#include "arch/generic/masked.h"
#include "arch/generic/memory.h"
#endif

#endif
