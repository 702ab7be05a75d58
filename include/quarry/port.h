/* SPDX-License-Identifier: MIT */
/*
 * The port: what a kernel gives to Quarry.
 *
 * It has three parts. The first is data: `struct quarry_setup`, passed to quarry_init(). The second
 * is one ordinary function, quarry_port_panic(). The third part is a set of inline architecture
 * primitives, because they are on or near the fast path: a header named <quarry_arch.h>, found on
 * the include path, defines them. For x86-64 it exists, arch/x86_64/quarry_arch.h; it needs three
 * fields behind GS on each CPU and nothing else. arch/linux/quarry_arch.h serves hosted tests.
 *
 * <quarry_arch.h> defines:
 *
 *   uintptr_t quarry_port_irq_save(void)
 *       Masks interrupts on this CPU and returns what quarry_port_irq_restore() needs to restore
 *       the earlier state. Calls nest. Called from any context, interrupt and NMI handlers
 *       included; cannot fail. NMIs need not be masked. The compiler must not move memory accesses
 *       across it.
 *
 *   void quarry_port_irq_restore(uintptr_t state)
 *       Restores the state that the matching quarry_port_irq_save() found, on the same CPU.
 *
 *   unsigned quarry_port_cpu_number(void)
 *       The number of the CPU that runs this, 0 to setup.cpus - 1, the same at each call on one
 *       CPU. Called with interrupts on as well; a stale answer, because the thread has moved
 *       meanwhile, is harmless.
 *
 *   struct quarry_cpu *quarry_port_cpu(void)
 *       The block of this CPU (see below). Called with interrupts masked, or where a stale answer
 *       is harmless; on each CPU, also before it is online.
 *
 *   void *quarry_port_pop(size_t magazine)
 *   bool quarry_port_push(size_t magazine, void *object)
 *       The fast path: pops the top object of this CPU's magazine with that number, or returns
 *       NULL if it is empty; pushes an object, or returns false if it is full. They must be safe
 *       against an interrupt handler that does the same between any two instructions, and against
 *       a move of the thread to another CPU. arch/generic/masked.h defines them for every machine,
 *       by masking interrupts. arch/x86_64 has a form without masking, for kernels that call one
 *       function at the entry of each interrupt.
 *
 *   void quarry_port_pause(void)
 *       Called in loops that wait for another CPU. May do nothing. Must not sleep.
 *
 *   void quarry_port_copy(void *to, const void *from, size_t bytes)
 *   void quarry_port_fill(void *at, unsigned char value, size_t bytes)
 *   void quarry_port_clear(void *at, size_t bytes)
 *       Copy memory that does not overlap, fill it with a byte, fill it with 0. Plain loops
 *       suffice; arch/generic/memory.h defines them by the compiler's builtins.
 *
 * Quarry needs nothing else: no allocation, no sleep, no page-table change, no libc.
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

/* The word above the last place of a magazine: neither the address of an object nor NULL. */
#define QUARRY_MAGAZINE_END_WORD 1
#define QUARRY_MAGAZINE_END ((void *)QUARRY_MAGAZINE_END_WORD)

/*
 * The block of a CPU. The kernel keeps one for each CPU, all 0 at first, where that CPU reaches it
 * in one instruction, and never moves or frees it. Its content is Quarry's.
 *
 * Each magazine is an array of objects, with NULL below the first and QUARRY_MAGAZINE_END above the
 * last place; `top` points at the object that is popped next. See mm/objects/magazine.h.
 */
struct quarry_cpu {
    void **top[QUARRY_MAGAZINES];
    struct cpu_cache *cache; /* NULL until the CPU is online for the first time */
};

/*
 * The one function of the port. Quarry has found corrupted or misused memory, or was called
 * wrongly; `report` says what, where and which object, in lines of text that end with 0. Called in
 * any context, possibly with locks of Quarry's held and with interrupts off: show the report and
 * stop. It must not return, and must not call Quarry.
 */
__attribute__((__noreturn__)) void quarry_port_panic(const char *report);

enum quarry_memory_kind {
    QUARRY_MEMORY_USABLE = 1,  /* free from the start */
    QUARRY_MEMORY_RECLAIMABLE, /* free after quarry_frame_reclaim_boot_memory() */
    QUARRY_MEMORY_RESERVED,    /* never free */
};

/*
 * A range of physical addresses and its kind. Regions may come in any order, overlap, touch, be
 * empty or unaligned, or reach beyond the end of the address space. Usable and reclaimable regions
 * shrink to whole frames, reserved ones grow to whole frames. Where regions overlap, reserved wins
 * over reclaimable, and reclaimable over usable.
 */
struct quarry_memory_region {
    uint64_t base; /* bytes */
    uint64_t bytes;
    uint32_t kind; /* an enum quarry_memory_kind; any other value counts as reserved */
};

struct quarry_setup {
    const struct quarry_memory_region *regions;
    size_t region_count;

    /*
     * The virtual address of physical address 0 in the direct map (Limine: the HHDM offset). All
     * usable and reclaimable memory is readable and writable at its physical address plus this. A
     * multiple of 1 GiB, so that physical and virtual alignment are the same; 0: an identity map.
     */
    uintptr_t direct_map;

    /* CPUs have the numbers 0 to cpus - 1. At most QUARRY_CPUS_MAX. */
    unsigned cpus;

    /*
     * Optional (NULL: Quarry waits for the CPU's next miss): makes `cpu` call
     * quarry_drain_interrupt() in an interrupt handler soon. Called with interrupts on or off, and
     * without a lock of Quarry's. May fail silently: Quarry's waits are bounded. What this CPU
     * stored before the call is visible to that handler. An x2APIC on x86-64 needs `mfence; lfence`
     * before the write that sends the interrupt.
     */
    void (*interrupt_cpu)(unsigned cpu);

    /*
     * Optional (NULL: quarry_guard_start() returns QUARRY_BAD_SETUP): makes a 4 KiB page of the
     * direct map inaccessible, or readable and writable again: on this CPU at once, and on other
     * CPUs when they next load the translation. `page` is its virtual address. Called with
     * interrupts off and a lock held. Only the first call for each page, from quarry_guard_start(),
     * is made without a lock and may allocate frames.
     */
    void (*set_access)(void *page, bool accessible);

    /*
     * Optional (NULL: no report): memory that was idle for some time is freed to the frame
     * allocator, and its contents are not needed. A kernel under a hypervisor, or a program, may
     * report it to its host (free page reporting). Freed frames and objects of more than 2 MiB are
     * not reported, because they may be used again at once. Called with interrupts off and a lock
     * held; must not call Quarry. `start` and `bytes` are multiples of 4096. The memory may be
     * written again as soon as the call returns.
     */
    void (*memory_idle)(void *start, size_t bytes);

    /*
     * Optional (NULL: all memory of the map can be used from the start): makes memory of the direct
     * map usable before Quarry uses it first. Called for 64 MiB at a time (QUARRY_TREE_CHILDREN
     * times 2 MiB), aligned to that, in the order of addresses, and not for ranges without usable
     * memory. Memory for Quarry's tables must be usable before quarry_init(): it is the end of the
     * smallest region that is large enough. False: not now. Then Quarry continues as if no memory
     * were left, and calls again at a later request. Called with interrupts off and a lock held;
     * must not call Quarry.
     */
    bool (*memory_needed)(void *start, size_t bytes);

    /* Optional: random bits. From level 1 of hardening on they make canaries and the order of slots
     * unpredictable. 0: the same at each start. */
    uint64_t seed;
};

#ifdef __cplusplus
}
#endif

#endif
