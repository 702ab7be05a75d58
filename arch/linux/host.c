/* SPDX-License-Identifier: MIT */
/* The host as a machine; see host.h. */
#include "arch/linux/host.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <quarry/port.h>
#include <quarry_arch.h>

#include "lib/atomic.h"

#define GIB ((uintptr_t)1 << 30)

struct linux_block linux_blocks[LINUX_CPUS];
__thread struct linux_cpu linux_cpu = {.block = &linux_blocks[0].cpu};

static void (*panic_handler)(const char *report);
static void (*pause_handler)(void);

uintptr_t host_direct_map(void)
{
    static uintptr_t direct_map;
    if (direct_map == 0) {
        void *mapping = mmap(NULL, HOST_WINDOW_BYTES + GIB, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapping == MAP_FAILED) {
            perror("quarry: no address space for the memory under test");
            exit(1);
        }
        direct_map = ((uintptr_t)mapping + GIB - 1) & ~(GIB - 1);
    }
    return direct_map;
}

/* ---- pages that cannot be accessed ---- */

#define PAGE_FAULT_WRITE 2 /* of the error code that the processor pushes */

#define RED_ZONE_BYTES 128 /* below the stack pointer, in use by the interrupted function */

static void (*fault_handler)(const void *address, bool write, const void *instruction);

/* Set by the signal handler, read by after_fault() on the same thread. */
static __thread struct fault {
    const void *address;
    const void *instruction;
    bool write;
} fault;

static void protect(void *from, size_t bytes, int access)
{
    if (mprotect(from, bytes, access) != 0) {
        perror("quarry: cannot change the access of a page");
        exit(1);
    }
}

void host_set_access(void *page, bool accessible)
{
    protect(page, 4096, accessible ? PROT_READ | PROT_WRITE : PROT_NONE);
}

void host_restore_access(void)
{
    protect((void *)host_direct_map(), HOST_WINDOW_BYTES, PROT_READ | PROT_WRITE);
}

/* Runs on the stack of the faulting code: a signal handler must not be left by a long jump. */
static void after_fault(void)
{
    fault_handler(fault.address, fault.write, fault.instruction);
    fprintf(stderr, "segmentation fault: %p, by the instruction at %p\n", fault.address,
            fault.instruction);
    abort();
}

static void on_segment_violation(int number, siginfo_t *info, void *data)
{
    (void)number;
    greg_t *registers = ((ucontext_t *)data)->uc_mcontext.gregs;
    fault = (struct fault){
        .address = info->si_addr,
        .instruction = (const void *)registers[REG_RIP],
        .write = registers[REG_ERR] & PAGE_FAULT_WRITE,
    };
    registers[REG_RIP] = (greg_t)after_fault;
    /* The stack is aligned as after a call, which has pushed a return address. */
    registers[REG_RSP] = ((registers[REG_RSP] - RED_ZONE_BYTES) & ~(greg_t)15) - 8;
}

void host_on_fault(void (*handler)(const void *address, bool write, const void *instruction))
{
    fault_handler = handler;
    struct sigaction action = {.sa_sigaction = on_segment_violation, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
}

/* ---- CPUs ---- */

struct host_cpu {
    unsigned number;
    void (*work)(void *argument);
    void *argument;
};

void linux_be_cpu(unsigned number)
{
    linux_cpu.number = number;
    linux_cpu.block = &linux_blocks[number].cpu;
}

static void *cpu_main(void *data)
{
    const struct host_cpu *cpu = data;
    linux_be_cpu(cpu->number);
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
            perror("quarry: cannot create a thread for a CPU");
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
        sched_yield(); /* the thread that this CPU waits for may be preempted */
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
