/* SPDX-License-Identifier: MIT */
/*
 * Threads that share the caches of the machine's CPUs, by restartable sequences.
 *
 * While a thread claims a CPU (restartable.h), it has that CPU's number and block, even if Linux
 * moves it. Without a claim it has those of the current CPU, which are only a hint.
 *
 * A CPU's cache goes online when the first sharing thread uses it. Such a thread owns nothing
 * between claims, so its end needs no cleanup. A fork waits until no CPU is claimed. A thread that
 * then claims one finds that a thread forks and stores the entry again; in the child, where that
 * thread does not exist, the forking thread stores it.
 */
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "hosted/hosted.h"
#include "lib/atomic.h"
#include "mm/objects/cpu_cache.h"

static unsigned shared_count;

/* One more than the highest number in Linux's list of possible CPUs, such as "0-63" or "0,2-5"; 0
 * if it cannot be read. */
static unsigned possible_cpus(void)
{
    char text[256];
    int file = open("/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    ssize_t length = read(file, text, sizeof text);
    close(file);
    unsigned last = 0;
    for (ssize_t i = 0; i < length; i++) {
        if (text[i] >= '0' && text[i] <= '9')
            last = last * 10 + (unsigned)(text[i] - '0');
        else if (text[i] != '\n')
            last = 0;
    }
    return length > 0 && length < (ssize_t)sizeof text ? last + 1 : 0;
}

unsigned sharing_count(void)
{
    unsigned cpus = restartable_works() ? possible_cpus() : 0;
    return cpus <= HOSTED_SHARED_CPUS_MAX ? cpus : 0;
}

void sharing_begin(unsigned first_number)
{
    hosted_first_shared = first_number;
    shared_count = cpu_cache_count() - first_number;
    for (unsigned cpu = 0; cpu < shared_count; cpu++) {
        struct quarry_cpu *block = &hosted_shared[cpu].block;
        for (unsigned i = 0; i < QUARRY_MAGAZINES; i++)
            block->top[i] = hosted_sentinel;
        block->cache = cpu_cache_of(first_number + cpu);
        block->cache->block = block;
        restartable_set(cpu, block);
    }
}

bool sharing_works(void)
{
    return shared_count > 0 && restartable_works() && restartable_cpu() < shared_count;
}

/* ---- entering ---- */

static SLOW void bring_online(void)
{
    uintptr_t masked = quarry_port_irq_save();
    if (!cpu_cache_here()->online)
        quarry_cpu_online(hosted_shared_number()); /* on failure nothing is cached */
    quarry_port_irq_restore(masked);
}

void sharing_enter(void)
{
    if (unlikely(!atomic_load_acquire(&cpu_cache_here()->online)))
        bring_online();
}

void sharing_wait_for_all(void)
{
    for (unsigned cpu = 0; cpu < shared_count; cpu++)
        while (restartable_block(cpu) == NULL)
            sched_yield();
}

void sharing_forget_claims(void)
{
    for (unsigned cpu = 0; cpu < shared_count; cpu++)
        restartable_set(cpu, &hosted_shared[cpu].block);
}
