/* SPDX-License-Identifier: MIT */
/* The host as a machine; see host.h. */
#include "arch/linux/host.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <quarry/port.h>
#include <quarry_arch.h>

#include "lib/atomic.h"

#define GIB ((uintptr_t)1 << 30)

__thread struct linux_cpu linux_cpu;

static void (*panic_handler)(const char *report);
static void (*pause_handler)(void);

uintptr_t host_direct_map(void)
{
    static uintptr_t direct_map;
    if (direct_map == 0) {
        void *window = mmap(NULL, HOST_WINDOW_BYTES + GIB, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (window == MAP_FAILED) {
            perror("quarry: no address space for the host's window");
            exit(1);
        }
        direct_map = ((uintptr_t)window + GIB - 1) & ~(GIB - 1);
    }
    return direct_map;
}

struct host_cpu {
    unsigned number;
    void (*work)(void *argument);
    void *argument;
};

static void *cpu_main(void *data)
{
    const struct host_cpu *cpu = data;
    linux_cpu.number = cpu->number;
    cpu->work(cpu->argument);
    return NULL;
}

void host_run_cpus(unsigned cpus, void (*work)(void *argument), void *argument)
{
    pthread_t *threads = calloc(cpus, sizeof *threads);
    struct host_cpu *list = calloc(cpus, sizeof *list);
    for (unsigned i = 1; i < cpus; i++) {
        list[i] = (struct host_cpu){i, work, argument};
        if (pthread_create(&threads[i], NULL, cpu_main, &list[i]) != 0) {
            perror("quarry: no thread for a CPU");
            exit(1);
        }
    }
    work(argument);
    for (unsigned i = 1; i < cpus; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    free(list);
}

void host_on_pause(void (*handler)(void))
{
    pause_handler = handler;
}

void linux_pause(void)
{
    if (pause_handler != NULL)
        pause_handler();
    else
        sched_yield(); /* the CPU waited for may be a thread that is not running */
}

void host_on_panic(void (*handler)(const char *report))
{
    atomic_store_release(&panic_handler, handler);
}

_Noreturn void quarry_port_panic(const char *report)
{
    void (*handler)(const char *report) = atomic_load_acquire(&panic_handler);
    if (handler != NULL)
        handler(report);
    fprintf(stderr, "%s\n", report);
    abort();
}
