/* SPDX-License-Identifier: MIT */
/* The platform of tests in the guest; see guest.h. */
#include "boot/guest.h"

#include <quarry/frame.h>
#include <quarry/guard.h>
#include <quarry/quarry.h>

#include "boot/console.h"
#include "boot/dashboard.h"
#include "boot/x86_64/clock.h"
#include "boot/x86_64/instructions.h"
#include "boot/x86_64/interrupts.h"
#include "boot/x86_64/paging.h"
#include "boot/x86_64/smp.h"
#include "lib/atomic.h"
#include "lib/bits.h"
#include "tests/framework/platform.h"

static const struct handoff *handoff;
static void (*tick_handler)(void);
static unsigned ticks_inside; /* atomic: CPUs in on_timer(), perhaps in the tick handler */
static platform_stop_handler *stop_handler;

static void on_timer(void)
{
    atomic_fetch_add(&ticks_inside, 1);
    void (*handler)(void) = atomic_load_acquire(&tick_handler);
    /* A CPU that was never online in this heap cannot allocate. */
    if (handler != NULL && quarry_port_cpu()->cache != NULL)
        handler();
    atomic_fetch_sub(&ticks_inside, 1);
    if (quarry_port_cpu_number() == 0)
        dashboard_tick();
}

static void on_drain(void)
{
    quarry_drain_interrupt();
}

static void ask_to_drain(unsigned cpu)
{
    if (cpu < smp_cpu_count())
        smp_interrupt(cpu, VECTOR_DRAIN);
}

/* The range of the pages that an earlier heap may have left inaccessible. */
static uintptr_t changed_from = UINTPTR_MAX;
static uintptr_t changed_to;

static void set_access(void *page, bool accessible)
{
    uintptr_t address = (uintptr_t)page;
    changed_from = min_u64(changed_from, address);
    changed_to = max_u64(changed_to, address);
    paging_protect(address, QUARRY_FRAME_BYTES, accessible ? PAGING_READ_WRITE : PAGING_NONE);
}

static void restore_access(void)
{
    if (changed_from <= changed_to)
        paging_protect(changed_from, changed_to - changed_from + QUARRY_FRAME_BYTES,
                       PAGING_READ_WRITE);
    changed_from = UINTPTR_MAX;
    changed_to = 0;
}

void guest_init(const struct handoff *from_firmware)
{
    handoff = from_firmware;
    interrupts_set_page_fault_hook(quarry_guard_fault);
    interrupts_set_handler(VECTOR_TIMER, on_timer);
    interrupts_set_handler(VECTOR_DRAIN, on_drain);
}

void guest_stopped(const char *report)
{
    if (stop_handler != NULL)
        stop_handler(report);
}

size_t guest_reclaimed_frames(void)
{
    size_t bytes = 0;
    for (size_t i = 0; i < handoff->region_count; i++)
        if (handoff->regions[i].kind == QUARRY_MEMORY_RECLAIMABLE)
            bytes += handoff->regions[i].bytes;
    return bytes / 4096;
}

void platform_print(const char *text)
{
    console_print("%s", text);
}

void platform_progress(unsigned number, unsigned total, const char *name)
{
    dashboard_part(number, total, name);
    console_status(SCREEN_TITLE, " test %u of %u: %s ...", number, total, name);
}

unsigned platform_cpu_count(void)
{
    return smp_cpu_count();
}

void platform_run(unsigned cpus, void (*work)(void *argument), void *argument)
{
    smp_run(cpus, work, argument);
}

void platform_note_round(void)
{
    dashboard_count(quarry_port_cpu_number());
}

void platform_time(void (*work)(void))
{
    unsigned draws = dashboard_draws();
    uint64_t start = timestamp();
    work();
    dashboard_latency(quarry_port_cpu_number(), timestamp() - start, draws);
}

bool platform_interrupts_on(void)
{
    uintptr_t flags = quarry_port_irq_save();
    quarry_port_irq_restore(flags);
    return flags & FLAGS_INTERRUPTS;
}

uint64_t platform_milliseconds(void)
{
    return clock_microseconds() / 1000;
}

void platform_setup(struct quarry_setup *setup)
{
    restore_access();
    *setup = (struct quarry_setup){
        .regions = handoff->regions,
        .region_count = handoff->region_count,
        .direct_map = 0,
        .cpus = handoff->cpus.count,
        .interrupt_cpu = ask_to_drain,
        .set_access = set_access,
        .seed = timestamp(),
    };
}

void platform_forget_caches(void)
{
    for (unsigned i = 0; i < smp_cpu_count(); i++)
        smp_cpu(i)->quarry = (struct quarry_cpu){0};
}

/* With NULL, returns when no CPU is in the old handler. */
void platform_on_tick(void (*handler)(void))
{
    atomic_store_release(&tick_handler, handler);
    while (handler == NULL && atomic_load_acquire(&ticks_inside) > 0)
        quarry_port_pause();
}

/* Quarry identifies a CPU by the block behind GS, so changing GS is enough. */
void platform_move_to(unsigned cpu)
{
    msr_write(MSR_GS_BASE, (uintptr_t)smp_cpu(cpu));
}

bool platform_on_pause(void (*handler)(void))
{
    (void)handler; /* quarry_port_pause() is one instruction here */
    return false;
}

/* ---- single steps ---- */

static void (*between_steps)(void);
static unsigned long steps;

static void on_step(bool interrupts_were_on)
{
    if (!interrupts_were_on)
        return; /* no interrupt is possible at this instruction */
    steps++;
    between_steps();
}

static void on_any_step(bool interrupts_were_on)
{
    (void)interrupts_were_on; /* an NMI is not masked */
    steps++;
    between_steps();
}

static unsigned long step_through(void (*work)(void *argument), void *argument,
                                  void (*between)(void), void (*handler)(bool interrupts_were_on))
{
    steps = 0;
    between_steps = between;
    interrupts_step(work, argument, handler);
    return steps;
}

unsigned long platform_step(void (*work)(void *argument), void *argument, void (*between)(void))
{
    return step_through(work, argument, between, on_step);
}

unsigned long platform_step_nmi(void (*work)(void *argument), void *argument, void (*between)(void))
{
    return step_through(work, argument, between, on_any_step);
}

void platform_on_nmi(void (*handler)(void))
{
    interrupts_set_nmi_handler(handler);
}

void platform_on_stop(platform_stop_handler *handler)
{
    stop_handler = handler;
}
