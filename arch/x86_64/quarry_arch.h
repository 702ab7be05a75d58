/* SPDX-License-Identifier: MIT */
/*
 * The inline half of the port (see quarry/port.h) for x86-64 kernels.
 *
 * It expects two words in the block that GS points at, on each CPU: one that belongs to Quarry
 * (0 at first) and the CPU's number. Their places in the block are the kernel's choice.
 */
#ifndef QUARRY_ARCH_H
#define QUARRY_ARCH_H

#include <stddef.h>
#include <stdint.h>

/* Bytes from the GS base to Quarry's word, and to the 32-bit CPU number. */
#ifndef QUARRY_GS_CACHE_OFFSET
#define QUARRY_GS_CACHE_OFFSET 8
#endif
#ifndef QUARRY_GS_CPU_OFFSET
#define QUARRY_GS_CPU_OFFSET 16
#endif

#define QUARRY_ARCH_TEXT_(token) #token
#define QUARRY_ARCH_TEXT(token) QUARRY_ARCH_TEXT_(token)

struct cpu_cache;

static inline uintptr_t quarry_port_irq_save(void)
{
    uintptr_t flags;
    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags) : : "memory");
    return flags;
}

static inline void quarry_port_irq_restore(uintptr_t flags)
{
    __asm__ volatile("pushq %0\n\tpopfq" : : "r"(flags) : "memory", "cc");
}

static inline void quarry_port_pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

static inline unsigned quarry_port_cpu_number(void)
{
    unsigned number;
    __asm__ volatile("movl %%gs:" QUARRY_ARCH_TEXT(QUARRY_GS_CPU_OFFSET) ", %0" : "=r"(number));
    return number;
}

static inline struct cpu_cache *quarry_port_cpu_cache(void)
{
    struct cpu_cache *cache;
    __asm__ volatile("movq %%gs:" QUARRY_ARCH_TEXT(QUARRY_GS_CACHE_OFFSET) ", %0" : "=r"(cache));
    return cache;
}

static inline void quarry_port_set_cpu_cache(struct cpu_cache *cache)
{
    __asm__ volatile("movq %0, %%gs:" QUARRY_ARCH_TEXT(QUARRY_GS_CACHE_OFFSET)
                     :
                     : "r"(cache)
                     : "memory");
}

static inline void quarry_port_copy(void *to, const void *from, size_t bytes)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

static inline void quarry_port_fill(void *at, unsigned char value, size_t bytes)
{
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(value) : "memory");
}

static inline void quarry_port_clear(void *at, size_t bytes)
{
    quarry_port_fill(at, 0, bytes);
}

#endif
