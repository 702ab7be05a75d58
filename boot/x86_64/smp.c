/* SPDX-License-Identifier: MIT */
/* All CPUs; see smp.h. */
#include "boot/x86_64/smp.h"

#include "boot/x86_64/apic.h"
#include "boot/x86_64/clock.h"
#include "boot/x86_64/instructions.h"
#include "boot/x86_64/interrupts.h"
#include "boot/x86_64/paging.h"
#include "lib/atomic.h"
#include "lib/memory.h"

static struct smp_memory memory;
static unsigned cpu_count;
static unsigned hertz;

/* From entry.S. */
extern const char trampoline_start[], trampoline_end[], trampoline_64[], trampoline_gdt[];
extern const char trampoline_gdt_base[], trampoline_far[], trampoline_cr0[], trampoline_cr3[];
extern const char trampoline_cr4[], trampoline_efer[], trampoline_cpu[], trampoline_stack[];
extern const char trampoline_entry[];

unsigned smp_cpu_count(void)
{
    return cpu_count;
}

struct cpu *smp_cpu(unsigned number)
{
    return &memory.cpus[number];
}

static void on_wake(void)
{
    /* The interrupt only ends the halt. */
}

static void cpu_prepare(struct cpu *cpu, unsigned number, uint32_t id)
{
    cpu->number = number;
    cpu->apic_id = id;
    cpu->stack_area = memory.stack_areas + number * CPU_STACK_AREA_BYTES;
    /* A guard page below each stack. */
    paging_protect(cpu->stack_area, 4096, PAGING_NONE);
    paging_protect(cpu->stack_area + 4096 + CPU_STACK_BYTES, 4096, PAGING_NONE);
}

void smp_init(const struct smp_memory *work_memory, uint32_t boot_apic_id)
{
    memory = *work_memory;
    interrupts_set_handler(VECTOR_WAKE, on_wake);
    cpu_prepare(&memory.cpus[0], 0, boot_apic_id);
    cpu_load(&memory.cpus[0]);
    interrupts_load();
    memory.cpus[0].alive = true;
    cpu_count = 1;
}

/* ---- a started CPU ---- */

static _Noreturn void serve(struct cpu *cpu)
{
    for (;;) {
        interrupts_off();
        void (*work)(void *) = atomic_load_acquire(&cpu->work);
        if (work == NULL) {
            interrupts_on_and_halt();
            continue;
        }
        interrupts_on();
        work(cpu->argument);
        atomic_store_release(&cpu->work, NULL);
        smp_interrupt(0, VECTOR_WAKE);
    }
}

/* Called by the trampoline, on the CPU's own stack, with interrupts off. */
static void cpu_main(void *argument)
{
    struct cpu *cpu = argument;
    cpu_load(cpu);
    interrupts_load();
    apic_init();
    if (hertz > 0)
        apic_timer_start(hertz);
    atomic_store_release(&cpu->alive, true);
    serve(cpu);
}

/* ---- starting one ---- */

static void *in_trampoline(const char *label)
{
    return (void *)(memory.trampoline + (uintptr_t)(label - trampoline_start));
}

static void write_32(const char *label, uint64_t value)
{
    *(volatile uint32_t *)in_trampoline(label) = (uint32_t)value;
}

static void write_64(const char *label, uint64_t value)
{
    *(volatile uint64_t *)in_trampoline(label) = value;
}

static void fill_trampoline(struct cpu *cpu)
{
    memory_copy((void *)memory.trampoline, trampoline_start,
                (size_t)(trampoline_end - trampoline_start));
    write_32(trampoline_gdt_base, (uintptr_t)in_trampoline(trampoline_gdt));
    write_32(trampoline_far, (uintptr_t)in_trampoline(trampoline_64));
    write_32(trampoline_cr0, cr0_read());
    write_32(trampoline_cr3, paging_root());
    write_32(trampoline_cr4, cr4_read());
    write_32(trampoline_efer, msr_read(MSR_EFER));
    write_64(trampoline_cpu, (uintptr_t)cpu);
    write_64(trampoline_stack, cpu_stack_top(cpu));
    write_64(trampoline_entry, (uintptr_t)cpu_main);
}

static bool responds(const struct cpu *cpu, uint64_t deadline_us)
{
    uint64_t end = clock_microseconds() + deadline_us;
    while (!atomic_load_acquire(&cpu->alive)) {
        if (clock_microseconds() >= end)
            return false;
        quarry_port_pause();
    }
    return true;
}

bool smp_start(uint32_t id, unsigned deadline_ms, unsigned timer_hertz)
{
    if (!apic_can_reach(id))
        return false;
    struct cpu *cpu = &memory.cpus[cpu_count];
    hertz = timer_hertz;
    cpu_prepare(cpu, cpu_count, id);
    fill_trampoline(cpu);
    apic_send_init(id);
    clock_wait_microseconds(10000);
    apic_send_startup(id, memory.trampoline);
    /* The manual requires a second STARTUP if the first has no effect. */
    if (!responds(cpu, 1000)) {
        apic_send_startup(id, memory.trampoline);
        if (!responds(cpu, deadline_ms * 1000ul)) {
            /* If the CPU starts late, INIT returns it to its wait state. */
            apic_send_init(id);
            return false;
        }
    }
    cpu_count++;
    return true;
}

/* ---- work ---- */

void smp_interrupt(unsigned number, unsigned vector)
{
    apic_send(memory.cpus[number].apic_id, vector);
}

void smp_run(unsigned cpus, void (*work)(void *argument), void *argument)
{
    for (unsigned i = 1; i < cpus; i++) {
        memory.cpus[i].argument = argument;
        atomic_store_release(&memory.cpus[i].work, work);
        smp_interrupt(i, VECTOR_WAKE);
    }
    work(argument);
    for (unsigned i = 1; i < cpus; i++) {
        interrupts_off();
        while (atomic_load_acquire(&memory.cpus[i].work) != NULL) {
            interrupts_on_and_halt();
            interrupts_off();
        }
        interrupts_on();
    }
}
