/* SPDX-License-Identifier: MIT */
/*
 * What a kernel gives to Quarry.
 *
 * The port has three parts. One is data: `struct quarry_setup`, handed to quarry_init(). One is an
 * ordinary function, quarry_port_panic(). The third are the machine's words, which stand on or near
 * the fast path and are wanted inline: a header named <quarry_arch.h>, found on the include path,
 * defines them. For x86-64 it is there, arch/x86_64/quarry_arch.h, and asks the kernel for three
 * fields behind GS on each CPU and nothing else; arch/linux/quarry_arch.h serves hosted tests.
 *
 * In <quarry_arch.h>:
 *
 *   uintptr_t quarry_port_irq_save(void)
 *       Masks interrupts on this CPU and returns what quarry_port_irq_restore() needs to bring
 *       the earlier state back. Calls nest. Called from any context, interrupt and NMI handlers
 *       included; cannot fail. NMIs need not be masked. Must keep the compiler from moving memory
 *       accesses across it.
 *
 *   void quarry_port_irq_restore(uintptr_t state)
 *       Brings back the state that the matching quarry_port_irq_save() found, on the same CPU.
 *
 *   unsigned quarry_port_cpu_number(void)
 *       The number of the CPU that runs this, 0 to setup.cpus - 1, the same at every call on one
 *       CPU. Called with interrupts on as well; an answer that is outdated because the thread
 *       has moved by then is harmless.
 *
 *   struct quarry_cpu *quarry_port_cpu(void)
 *       The block of this CPU (see below). Called with interrupts masked, or where an outdated
 *       answer does no harm; on every CPU, also before it is online.
 *
 *   void *quarry_port_pop(size_t stack)
 *   bool quarry_port_push(size_t stack, void *object)
 *       The fast path: takes the topmost object off this CPU's stack of that number, or NULL when
 *       it is empty; puts one on top of it, or false when it is full. Neither an interrupt handler
 *       that does the same between any two instructions, nor a move of the thread to another CPU,
 *       may be able to disturb them. "arch/generic/masked.h" has them for every machine, by masking
 *       interrupts; a form without masking, for kernels that call one function at each interrupt's
 *       entry, comes with arch/x86_64.
 *
 *   void quarry_port_pause(void)
 *       Lets a CPU that waits for another rest for a moment. May do nothing. Must not sleep.
 *
 *   quarry_port_copy(), quarry_port_clear(), quarry_port_fill()
 *       Blocks of memory, not overlapping; plain loops will do.
 *
 * Quarry never asks for more: no allocation, no sleep, no page-table change, no libc.
 */
#ifndef QUARRY_PORT_H
#define QUARRY_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/config.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Magazines of a CPU: the sentinel and one for each size class, one for each further cache, and the
 * last one for single frames. Plain numbers, because assembly reads them. */
#define QUARRY_PLAIN_CACHES 185
#define QUARRY_MAGAZINES (QUARRY_PLAIN_CACHES + QUARRY_EXTRA_CACHES + 1)

/* What stands above a stack's last place: not an object's address, and not NULL. */
#define QUARRY_MAGAZINE_END_WORD 1
#define QUARRY_MAGAZINE_END ((void *)QUARRY_MAGAZINE_END_WORD)

/*
 * A CPU's own block: kept by the kernel, one for each CPU, all 0 at first, where that CPU reaches
 * it in one instruction, and never moved or freed. What is in it is Quarry's alone.
 *
 * Each stack is an array of objects, with NULL below the first and QUARRY_MAGAZINE_END above the
 * last place; `top` points at the object that goes out next. mm/objects/cpu_cache.h has the theory.
 */
struct quarry_cpu {
    void **top[QUARRY_MAGAZINES];
    struct cpu_cache *cache; /* NULL until the CPU is online for the first time */
};

/*
 * Quarry has found memory corrupted or misused, or was called wrongly; `report` says what, where
 * and which object, in lines of text. Called in any context, possibly with locks of Quarry's held
 * and with interrupts off: show the report and stop. Must not return, and must not call Quarry.
 */
__attribute__((__noreturn__)) void quarry_port_panic(const char *report);

enum quarry_memory_kind {
    QUARRY_MEMORY_USABLE = 1,  /* free from the start */
    QUARRY_MEMORY_RECLAIMABLE, /* free after quarry_frame_reclaim_boot_memory() */
    QUARRY_MEMORY_RESERVED,    /* never; wins wherever regions overlap */
};

/*
 * A piece of the physical address space. Regions may come in any order, overlap, touch, be empty
 * or unaligned, or reach beyond the end of the address space: usable pieces shrink to whole
 * frames, reserved ones grow to whole frames, and reserved wins over reclaimable over usable.
 */
struct quarry_memory_region {
    uint64_t base; /* bytes */
    uint64_t bytes;
    uint32_t kind; /* an enum quarry_memory_kind; others count as reserved */
};

struct quarry_setup {
    const struct quarry_memory_region *regions;
    size_t region_count;

    /*
     * Virtual address at which physical address 0 is, or would be, mapped: all usable and
     * reclaimable memory is readable and writable at its physical address plus this. A multiple
     * of 1 GiB, so that physical and virtual alignment are the same; 0 for an identity map.
     */
    uintptr_t direct_map;

    /* CPUs that may ever come online have the numbers 0 to cpus - 1. */
    unsigned cpus;

    /*
     * Optional (NULL: Quarry waits until the CPU passes by itself): makes `cpu` call
     * quarry_drain_interrupt() in an interrupt handler soon. Called with interrupts on or off, no
     * lock of Quarry's held. May fail silently: Quarry's waits are bounded.
     */
    void (*interrupt_cpu)(unsigned cpu);

    /*
     * Optional (NULL: quarry_guard_start() refuses): makes a 4 KiB page of the direct map
     * inaccessible, or readable and writable again, on this CPU at once and on others when they
     * next reload what they remember of it. Called with interrupts off and a lock held, but for the
     * first call for each page, out of quarry_guard_start(), which may allocate frames. `page` is
     * its virtual address.
     */
    void (*set_access)(void *page, bool accessible);

    /*
     * Optional (NULL: nobody is told): the scavenger gives this memory back to the frame allocator;
     * nobody has it now, and its contents are not needed. A kernel under a hypervisor, or a
     * program, may tell its host, as free page reporting does. What is freed as frames, and
     * objects of more than 2 MiB, are not reported: they may be wanted again at once. Called with
     * interrupts off and a lock held; must not call Quarry. `start` and `bytes` are multiples of
     * 4096; the memory may be written again as soon as the call returns.
     */
    void (*memory_idle)(void *start, size_t bytes);

    /* Optional: random bits, at levels of hardening from 1 on: they make canaries unpredictable,
     * and the order of slots. 0: the same at each start. */
    uint64_t seed;
};

#ifdef __cplusplus
}
#endif

#endif
