/* SPDX-License-Identifier: MIT */
/*
 * The machine's words for Quarry inside Linux on x86-64. No header of Linux is included: the two
 * need not know each other's names.
 *
 * Linux lets no module see every interrupt's entry, so push and pop are the masked ones
 * (arch/generic/masked.h), which come with the pair of files, or by <quarry/port.h> in the sources.
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
_Static_assert(__builtin_offsetof(struct quarry_linux_cpu, block) == 64, "as the text above says");

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

/* Linux's own variable says how far this CPU's copies of all such variables are from their names. */
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

static inline void quarry_port_copy(void *to, const void *from, size_t bytes)
{
    __builtin_memcpy(to, from, bytes);
}

static inline void quarry_port_fill(void *at, unsigned char value, size_t bytes)
{
    __builtin_memset(at, value, bytes);
}

static inline void quarry_port_clear(void *at, size_t bytes)
{
    __builtin_memset(at, 0, bytes);
}

#ifndef QUARRY_ARCH_HEADER
#include "arch/generic/masked.h"
#endif

#endif
