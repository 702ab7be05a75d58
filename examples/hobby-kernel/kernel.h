/* SPDX-License-Identifier: MIT */
/*
 * Declarations that the files of this kernel share. Some of these names are used inside Quarry too.
 * They do not conflict.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quarry.h"

#define DIRECT_MAP 0xffff800000000000ul /* all physical memory is mapped here: boot.S */
#define MAPPED_BYTES (64ul << 30)
#define CPUS_MAX 64
#define PAGE_BYTES 4096ul

static inline void *at_physical(uint64_t address)
{
    return (void *)(address + DIRECT_MAP);
}

/* ---- text (console.c) ---- */

__attribute__((__format__(__printf__, 1, 2))) void print(const char *format,
                                                         ...); /* %s %u %lu %lx */
__attribute__((__format__(__printf__, 1, 2))) _Noreturn void panic(const char *format, ...);

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *at, int byte, size_t bytes);
int memcmp(const void *one, const void *other, size_t bytes);
size_t strlen(const char *text);

/* ---- circular lists; the head is a node ---- */

struct list {
    struct list *next, *previous;
};

static inline void list_init(struct list *list)
{
    list->next = list->previous = list;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

/* Adds at the end. */
static inline void list_add(struct list *list, struct list *node)
{
    node->next = list;
    node->previous = list->previous;
    list->previous->next = node;
    list->previous = node;
}

static inline void list_remove(struct list *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
}

/* Removes and returns the first node; NULL: the list is empty. */
static inline struct list *list_pop(struct list *list)
{
    struct list *node = list->next;
    if (node == list)
        return NULL;
    list_remove(node);
    return node;
}

#define container_of(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

/* ---- locks: interrupts are masked while a lock is held ---- */

struct spinlock {
    bool held;
};

static inline uint64_t irq_save(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags) : : "memory");
    return flags;
}

static inline void irq_restore(uint64_t flags)
{
    __asm__ volatile("pushq %0\n\tpopfq" : : "r"(flags) : "memory", "cc");
}

/* These two are called with interrupts masked. */
static inline void spinlock_acquire_masked(struct spinlock *lock)
{
    while (__atomic_exchange_n(&lock->held, true, __ATOMIC_ACQUIRE))
        __asm__ volatile("pause");
}

static inline void spinlock_release_masked(struct spinlock *lock)
{
    __atomic_store_n(&lock->held, false, __ATOMIC_RELEASE);
}

static inline uint64_t spinlock_acquire(struct spinlock *lock)
{
    uint64_t flags = irq_save();
    spinlock_acquire_masked(lock);
    return flags;
}

static inline void spinlock_release(struct spinlock *lock, uint64_t flags)
{
    spinlock_release_masked(lock);
    irq_restore(flags);
}

/* ---- CPUs (machine.c) ---- */

struct thread;

/* GS points at this block. glue.c checks the offsets of the fields that Quarry uses. */
struct cpu {
    struct cpu *self;
    uint32_t number;
    uint32_t apic_id;
    struct thread *current;
    struct thread *idle;  /* runs when no other thread can */
    struct thread *ended; /* a thread that has ended on this CPU and is not freed yet */
    unsigned long ticks;
    struct quarry_cpu quarry __attribute__((__aligned__(64)));
};

static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;
    __asm__ volatile("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

struct interrupt_frame {
    uint64_t registers[15];
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

enum { VECTOR_TIMER = 0x20, VECTOR_DRAIN = 0xf0 };

extern unsigned cpu_count; /* CPUs that are online */

void cpu_load(struct cpu *cpu); /* GS and the interrupt table */
void cpus_start(void);          /* all CPUs in the firmware's list */
void cpu_interrupt(unsigned number, unsigned vector);
void timer_start(void);
void machine_off(unsigned code); /* exits QEMU with a status */

/* ---- information from the loader (firmware.c) ---- */

struct boot {
    const char *loader;
    struct quarry_memory_region regions[128];
    size_t region_count;
    uint32_t apic_ids[CPUS_MAX];
    unsigned cpus;
};

extern struct boot boot;

void boot_read(void);

/* ---- memory (glue.c) ---- */

void memory_init(void);
void memory_init_cpu(struct cpu *cpu);

#endif
