/* SPDX-License-Identifier: MIT */
/*
 * The inline half of the port (see quarry/port.h) for tests on Linux: a thread serves as a CPU.
 *
 * A thread is never interrupted here, so masking interrupts only counts. Tests check by the count
 * that every masking is undone.
 */
#ifndef QUARRY_ARCH_H
#define QUARRY_ARCH_H

#include <stddef.h>
#include <stdint.h>

#include <quarry/port.h>

/* CPU numbers are 0 to LINUX_CPUS - 1. */
#define LINUX_CPUS 64

struct linux_cpu {
    struct quarry_cpu *block; /* linux_blocks[number].cpu, which outlives the thread */
    unsigned number;
    uintptr_t irq_depth; /* maskings not yet undone */
};

/* On separate cache lines, like a kernel's per-CPU data. */
struct linux_block {
    struct quarry_cpu cpu;
} __attribute__((__aligned__(64)));

extern struct linux_block linux_blocks[LINUX_CPUS];
extern __thread struct linux_cpu linux_cpu; /* begins as CPU 0 */

static inline uintptr_t quarry_port_irq_save(void)
{
    return linux_cpu.irq_depth++;
}

static inline void quarry_port_irq_restore(uintptr_t depth)
{
    linux_cpu.irq_depth = depth;
}

/* Out of line: host_on_pause() changes what it does. */
void linux_pause(void);

static inline void quarry_port_pause(void)
{
    linux_pause();
}

static inline unsigned quarry_port_cpu_number(void)
{
    return linux_cpu.number;
}

static inline struct quarry_cpu *quarry_port_cpu(void)
{
    return linux_cpu.block;
}

#include "arch/generic/masked.h"
#include "arch/generic/memory.h"

#endif
