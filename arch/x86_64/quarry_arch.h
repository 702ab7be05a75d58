/* SPDX-License-Identifier: MIT */
/*
 * The inline half of the port (see quarry/port.h) for x86-64 kernels.
 *
 * GS points at a block of each CPU with three fields: the block's own address, the CPU's number,
 * and Quarry's struct quarry_cpu. The kernel chooses their offsets in the block.
 *
 * The fast path has two forms. The default form is restartable (fast_path.c): the kernel calls
 * quarry_irq_enter() first at the entry of each interrupt, exception and NMI. A kernel that cannot
 * do this builds with -DQUARRY_MASKED=1. Then push and pop mask interrupts.
 */
#ifndef QUARRY_ARCH_H
#define QUARRY_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/port.h>

/* Byte offsets from the GS base of each field: uintptr_t, uint32_t, struct quarry_cpu. */
#ifndef QUARRY_GS_SELF
#define QUARRY_GS_SELF 0
#endif
#ifndef QUARRY_GS_NUMBER
#define QUARRY_GS_NUMBER 8
#endif
#ifndef QUARRY_GS_BLOCK
#define QUARRY_GS_BLOCK 64
#endif

#ifndef QUARRY_MASKED
#define QUARRY_MASKED 0
#endif

#define QUARRY_ARCH_TEXT_(token) #token
#define QUARRY_ARCH_TEXT(token) QUARRY_ARCH_TEXT_(token)

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
    __asm__ volatile("movl %%gs:" QUARRY_ARCH_TEXT(QUARRY_GS_NUMBER) ", %0" : "=r"(number));
    return number;
}

static inline struct quarry_cpu *quarry_port_cpu(void)
{
    uintptr_t self;
    __asm__ volatile("movq %%gs:" QUARRY_ARCH_TEXT(QUARRY_GS_SELF) ", %0" : "=r"(self));
    return (struct quarry_cpu *)(self + QUARRY_GS_BLOCK);
}

/* Whole words first: objects, magazines and tables are multiples of 8 bytes. */
static inline void quarry_port_copy(void *to, const void *from, size_t bytes)
{
    size_t words = bytes / 8;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    bytes %= 8;
    if (bytes != 0)
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

static inline void quarry_port_fill(void *at, unsigned char value, size_t bytes)
{
    uint64_t word = value * 0x0101010101010101u;
    size_t words = bytes / 8;
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(word) : "memory");
    bytes %= 8;
    if (bytes != 0)
        __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(word) : "memory");
}

static inline void quarry_port_clear(void *at, size_t bytes)
{
    quarry_port_fill(at, 0, bytes);
}

/* Not the ones of arch/generic/memory.h. */
#define QUARRY_PORT_HAS_MEMORY 1

/* ---- the fast path, explained in fast_path.c ---- */

#if QUARRY_MASKED

#include "arch/generic/masked.h"

static inline void quarry_irq_enter(uintptr_t *instruction)
{
    (void)instruction;
}

#else

/* The port defines quarry_alloc() and quarry_free() too, except in hardened builds. */
#define QUARRY_PORT_HAS_FAST_PATH 1

void *quarry_port_pop(size_t magazine);
bool quarry_port_push(size_t magazine, void *object);

/* The code that contains the restartable sequences; only the addresses are used. */
extern const char quarry_restart_begin[] __attribute__((__visibility__("hidden")));
extern const char quarry_restart_end[] __attribute__((__visibility__("hidden")));

void quarry_restart(uintptr_t *instruction);

/*
 * Call this at the entry of each interrupt, exception and NMI that interrupts kernel code, on the
 * interrupted CPU, before anything else can allocate or free. `instruction` is the saved
 * instruction pointer, at which the CPU will continue. Any context. The common case, with nothing
 * to restart, costs a subtraction and a compare.
 */
static inline void quarry_irq_enter(uintptr_t *instruction)
{
    uintptr_t inside = *instruction - (uintptr_t)quarry_restart_begin;
    if (__builtin_expect(inside < (uintptr_t)(quarry_restart_end - quarry_restart_begin), 0))
        quarry_restart(instruction);
}

#endif

#endif
