/* SPDX-License-Identifier: MIT */
/*
 * The inline half of the port (see quarry/port.h) for Linux: a thread plays a CPU.
 *
 * A thread is never interrupted here, so masking interrupts only counts, which lets tests see that
 * every masking is undone.
 */
#ifndef QUARRY_ARCH_H
#define QUARRY_ARCH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <quarry/port.h>

/* Above the highest number of a CPU. */
#define LINUX_CPUS 64

struct linux_cpu {
    struct quarry_cpu *block; /* linux_blocks[number].cpu: it outlives the thread */
    unsigned number;
    uintptr_t irq_depth; /* maskings not yet undone */
};

/* On cache lines of its own, as a kernel's data of one CPU are. */
struct linux_block {
    struct quarry_cpu cpu;
} __attribute__((__aligned__(64)));

extern struct linux_block linux_blocks[LINUX_CPUS];
extern __thread struct linux_cpu linux_cpu; /* CPU 0 at first */

static inline uintptr_t quarry_port_irq_save(void)
{
    return linux_cpu.irq_depth++;
}

static inline void quarry_port_irq_restore(uintptr_t depth)
{
    linux_cpu.irq_depth = depth;
}

/* Out of line: what it does is the host's to change (host_on_pause()). */
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

static inline void quarry_port_copy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}

static inline void quarry_port_fill(void *at, unsigned char value, size_t bytes)
{
    memset(at, value, bytes);
}

static inline void quarry_port_clear(void *at, size_t bytes)
{
    memset(at, 0, bytes);
}

#include "arch/generic/masked.h"

#endif
