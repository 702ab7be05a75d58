/* SPDX-License-Identifier: MIT */
/*
 * The port of Quarry to this kernel. A port defines quarry_port_panic(), a block behind GS, and the
 * list of regions. The interrupt that makes another CPU drain its cache is optional. Besides this
 * file there are two calls in the interrupt handler (machine.c): quarry_irq_enter(), first, and
 * quarry_drain_interrupt(), for its vector.
 */
#include "kernel.h"

_Static_assert(offsetof(struct cpu, self) == QUARRY_GS_SELF, "GS");
_Static_assert(offsetof(struct cpu, number) == QUARRY_GS_NUMBER, "GS");
_Static_assert(offsetof(struct cpu, quarry) == QUARRY_GS_BLOCK, "GS");

_Noreturn void quarry_port_panic(const char *report)
{
    panic("%s", report);
}

static void ask_to_drain(unsigned cpu)
{
    cpu_interrupt(cpu, VECTOR_DRAIN);
}

void memory_init(void)
{
    const struct quarry_setup setup = {
        .regions = boot.regions,
        .region_count = boot.region_count,
        .direct_map = DIRECT_MAP,
        .cpus = CPUS_MAX,
        .interrupt_cpu = ask_to_drain,
    };
    if (quarry_init(&setup) != QUARRY_OK)
        panic("quarry_init() failed");
    memory_init_cpu(this_cpu());
}

/* Called on the CPU itself. */
void memory_init_cpu(struct cpu *cpu)
{
    if (quarry_cpu_online(cpu->number) != QUARRY_OK)
        panic("no memory for the caches of CPU %u", cpu->number);
}
