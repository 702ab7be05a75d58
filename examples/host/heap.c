/* SPDX-License-Identifier: MIT */
/*
 * A heap for the programs of examples/cpp and examples/rust on Linux: 64 MiB serve as the machine's
 * memory, and the one thread serves as its CPU. It is initialised before main(), because C++ and
 * Rust allocate before main(). For a kernel see examples/hobby-kernel/glue.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "quarry.h"

#define MEMORY_BYTES ((size_t)64 << 20)
#define GIB ((size_t)1 << 30)

struct quarry_cpu the_cpu;

_Noreturn void quarry_port_panic(const char *report)
{
    fprintf(stderr, "%s\n", report);
    abort();
}

__attribute__((constructor(101))) static void heap_begin(void)
{
    char *mapping = mmap(NULL, 2 * GIB, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED)
        quarry_port_panic("no address space");
    uintptr_t direct_map = ((uintptr_t)mapping + GIB - 1) & ~(GIB - 1);
    const struct quarry_memory_region memory = {2 << 20, MEMORY_BYTES, QUARRY_MEMORY_USABLE};
    const struct quarry_setup setup = {
        .regions = &memory,
        .region_count = 1,
        .direct_map = direct_map,
        .cpus = 1,
    };
    if (quarry_init(&setup) != QUARRY_OK || quarry_cpu_online(0) != QUARRY_OK)
        quarry_port_panic("cannot initialise the heap");
}
