/* SPDX-License-Identifier: MIT */
/* The platform of tests on the host. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <quarry/frame.h>
#include <quarry/guard.h>
#include <quarry_arch.h>

#include "arch/linux/host.h"
#include "tests/framework/platform.h"

#define HOST_CPUS 4

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)

void platform_print(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

void platform_progress(unsigned number, unsigned total, const char *name)
{
    (void)number, (void)total, (void)name; /* the results' lines are enough */
}

void platform_note_round(void)
{
    /* There is no live screen. */
}

void platform_time(void (*work)(void))
{
    work();
}

unsigned platform_cpu_count(void)
{
    return HOST_CPUS;
}

void platform_run(unsigned cpus, void (*work)(void *argument), void *argument)
{
    host_run_cpus(cpus, work, argument);
}

bool platform_interrupts_on(void)
{
    return linux_cpu.irq_depth == 0;
}

uint64_t platform_milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A small version of a PC's map: low memory, holes, boot services, unaligned ends; 205 MiB. */
static const struct quarry_memory_region host_regions[] = {
    {0, 640 * KIB, QUARRY_MEMORY_USABLE},
    {640 * KIB, 384 * KIB, QUARRY_MEMORY_RESERVED},
    {1 * MIB, 63 * MIB, QUARRY_MEMORY_USABLE},
    {64 * MIB, 40 * MIB + 12 * KIB, QUARRY_MEMORY_USABLE},
    {105 * MIB, 3 * MIB, QUARRY_MEMORY_RECLAIMABLE},
    {108 * MIB, 148 * MIB, QUARRY_MEMORY_USABLE},
    {180 * MIB, 20 * KIB, QUARRY_MEMORY_RESERVED},
    {200 * MIB + 100, 50 * MIB, QUARRY_MEMORY_RESERVED},
};

void platform_setup(struct quarry_setup *setup)
{
    host_restore_access(); /* an earlier heap may have left pages inaccessible */
    host_on_fault(quarry_guard_fault);
    *setup = (struct quarry_setup){
        .regions = host_regions,
        .region_count = sizeof host_regions / sizeof host_regions[0],
        .direct_map = host_direct_map(),
        .cpus = HOST_CPUS,
        .set_access = host_set_access,
        .seed = 20260101, /* fixed, so that failures are repeatable */
    };
}

void platform_forget_caches(void)
{
    memset(linux_blocks, 0, sizeof linux_blocks); /* the threads of other CPUs have ended */
}

void platform_on_tick(void (*handler)(void))
{
    (void)handler; /* threads are not interrupted */
}

bool platform_on_pause(void (*handler)(void))
{
    host_on_pause(handler);
    return true;
}

void platform_move_to(unsigned cpu)
{
    linux_be_cpu(cpu);
}

unsigned long platform_step(void (*work)(void *argument), void *argument, void (*between)(void))
{
    (void)work, (void)argument, (void)between; /* a thread is never interrupted here */
    return 0;
}

unsigned long platform_step_nmi(void (*work)(void *argument), void *argument, void (*between)(void))
{
    (void)work, (void)argument, (void)between;
    return 0;
}

void platform_on_nmi(void (*handler)(void))
{
    (void)handler;
}

void platform_on_stop(platform_stop_handler *handler)
{
    host_on_panic(handler);
}
