/* SPDX-License-Identifier: MIT */
/* CPUs: descriptor tables, interrupts, the local APIC and its timer, starting further CPUs. */
#include "io.h"
#include "kernel.h"
#include "thread.h"

#define KERNEL_BASE 0xffffffff80000000ul
#define TRAMPOLINE 0x8000ul /* also in boot.S */
#define CPU_STACK_ORDER 2
#define CPU_DEADLINE_MS 5000u /* long, because an emulator's host may be busy */

/* Registers of the local APIC, bytes from its base. */
enum {
    APIC_ID = 0x20,
    APIC_END = 0xb0,
    APIC_SPURIOUS = 0xf0,
    APIC_COMMAND = 0x300,
    APIC_TARGET = 0x310,
    APIC_TIMER = 0x320,
    APIC_TIMER_START = 0x380,
    APIC_TIMER_DIVIDE = 0x3e0,
};

/* Timer counts between ticks: 1 ms in QEMU, at most 40 ms on a bus of 25 MHz. */
#define TIMER_COUNTS 1000000

struct __attribute__((__packed__)) table_pointer {
    uint16_t limit;
    uint64_t base;
};

struct gate {
    uint16_t offset_low, selector;
    uint8_t stack, kind;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

extern const char gdt[], trampoline[], trampoline_end[]; /* physical */
extern const char interrupt_entries[];
extern const uint64_t root[512]; /* the root during the start, with low addresses mapped */

static struct gate gates[256];
static uint64_t kernel_root[512] __attribute__((__aligned__(4096))); /* an access to NULL faults */
static struct cpu boot_cpu;
static struct cpu *cpus[CPUS_MAX] = {&boot_cpu};
unsigned cpu_count = 1;
void *cpu_stack; /* for the CPU that is being started */

static volatile uint32_t *apic(unsigned offset)
{
    return at_physical(0xfee00000 + offset);
}

/* ---- tables ---- */

static void fill_tables(void)
{
    kernel_root[256] = root[256];
    kernel_root[511] = root[511];
    for (unsigned i = 0; i < 256; i++) {
        uint64_t entry = (uint64_t)interrupt_entries + i * 16;
        gates[i] = (struct gate){(uint16_t)entry,         8, 0, 0x8e, (uint16_t)(entry >> 16),
                                 (uint32_t)(entry >> 32), 0};
    }
}

void cpu_load(struct cpu *cpu)
{
    struct table_pointer descriptors = {4 * 8 - 1, (uint64_t)gdt + KERNEL_BASE};
    struct table_pointer interrupts = {sizeof gates - 1, (uint64_t)gates};
    __asm__ volatile("lgdt %0\n\tlidt %1" : : "m"(descriptors), "m"(interrupts));
    __asm__ volatile("mov %0, %%cr3" : : "r"((uint64_t)kernel_root - KERNEL_BASE) : "memory");
    cpu->self = cpu;
    write_msr(0xc0000101, (uint64_t)cpu); /* the base of GS */
    *apic(APIC_SPURIOUS) = 0x1ff;
    cpu->apic_id = *apic(APIC_ID) >> 24;
}

/* ---- interrupts ---- */

/* An interrupt handler may allocate. */
static void on_tick(void)
{
    this_cpu()->ticks++;
    if (!quiet)
        quarry_free(quarry_alloc(16 + this_cpu()->ticks % 64 * 16));
}

void interrupt(struct interrupt_frame *frame)
{
    quarry_irq_enter(&frame->rip); /* first; see glue.c */
    if (frame->vector < 32 && frame->vector != 2)
        panic("exception %lu, error %lx, at %lx", frame->vector, frame->error, frame->rip);
    if (frame->vector == VECTOR_DRAIN)
        quarry_drain_interrupt();
    if (frame->vector >= 32 && frame->vector != 0xff)
        *apic(APIC_END) = 0;
    if (frame->vector == VECTOR_TIMER) {
        on_tick();
        thread_tick();
    }
}

void timer_start(void)
{
    *apic(APIC_TIMER_DIVIDE) = 0xb; /* by 1 */
    *apic(APIC_TIMER) = VECTOR_TIMER | 1 << 17;
    *apic(APIC_TIMER_START) = TIMER_COUNTS;
}

static void apic_send(uint32_t target, uint32_t command)
{
    uint64_t flags = irq_save();
    *apic(APIC_TARGET) = target << 24;
    *apic(APIC_COMMAND) = command;
    while (*apic(APIC_COMMAND) & 1 << 12)
        __asm__ volatile("pause");
    irq_restore(flags);
}

void cpu_interrupt(unsigned number, unsigned vector)
{
    apic_send(cpus[number]->apic_id, vector);
}

/* ---- further CPUs ---- */

/* Channel 2 of the old timer (PIT): 1,193,182 counts per second. */
static void wait_milliseconds(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        out8(0x61, (in8(0x61) & 0xfc) | 1);
        out8(0x43, 0xb0);
        out8(0x42, 1193 & 0xff);
        out8(0x42, 1193 >> 8);
        while (!(in8(0x61) & 0x20))
            __asm__ volatile("pause");
    }
}

/* Called by boot.S, on the CPU's own stack. */
_Noreturn void cpu_main(void)
{
    struct cpu *cpu = cpus[cpu_count];
    cpu_load(cpu);
    memory_init_cpu(cpu);
    thread_init_cpu(cpu);
    timer_start();
    __atomic_store_n(&cpu_count, cpu_count + 1, __ATOMIC_RELEASE);
    thread_idle();
}

static void cpu_start(uint32_t apic_id)
{
    unsigned number = cpu_count;
    uint64_t stack = quarry_frame_alloc(CPU_STACK_ORDER);
    cpus[number] = quarry_zeroed(sizeof *cpus[number]);
    if (cpus[number] == NULL || stack == 0)
        panic("no memory for CPU %u", number);
    cpus[number]->number = number;
    cpu_stack = at_physical(stack + (PAGE_BYTES << CPU_STACK_ORDER));
    apic_send(apic_id, 0x4500);
    wait_milliseconds(10);
    for (unsigned try = 0; try < 2 && cpu_count == number; try++) {
        apic_send(apic_id, 0x4600 | TRAMPOLINE >> 12);
        for (unsigned i = 0;
             i < CPU_DEADLINE_MS && __atomic_load_n(&cpu_count, __ATOMIC_ACQUIRE) == number; i++)
            wait_milliseconds(1);
    }
    if (cpu_count == number)
        panic("the CPU with APIC id %u does not respond", apic_id);
}

void cpus_start(void)
{
    memcpy(at_physical(TRAMPOLINE), at_physical((uint64_t)trampoline),
           (size_t)(trampoline_end - trampoline));
    for (unsigned i = 0; i < boot.cpus; i++)
        if (boot.apic_ids[i] != boot_cpu.apic_id)
            cpu_start(boot.apic_ids[i]);
}

void machine_off(unsigned code)
{
    out8(0xf4, (uint8_t)code); /* QEMU's isa-debug-exit */
}

/* ---- start ---- */

void demo(void *unused);

_Noreturn void main(void)
{
    fill_tables();
    out8(0x21, 0xff); /* mask the old interrupt controllers */
    out8(0xa1, 0xff);
    cpu_load(&boot_cpu);
    boot_read();
    memory_init();
    thread_init_cpu(&boot_cpu);
    cpus_start();
    print("hobby kernel, by %s: %u CPUs, %lu MiB of memory\n", boot.loader, cpu_count,
          quarry_frame_total_count() >> 8);
    timer_start();
    if (!thread_start(demo, NULL))
        panic("no memory for the first thread");
    thread_idle();
}
