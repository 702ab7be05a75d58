/* SPDX-License-Identifier: MIT */
/*
 * Counts the communication between CPUs: lock acquisitions, contended ones, atomic instructions and
 * moved cache lines, for a million operations on 1 to 64 CPUs in steady state. lines.h explains the
 * model.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "arch/linux/host.h"
#include "lib/random.h"
#include "tests/scaling/lines.h"

#define GIB ((uint64_t)1 << 30)
#define MEMORY_BYTES (64 * GIB)
#define CPUS_MAX 64u
#define OPERATIONS 1000000u
#define BATCH 100u

static unsigned cpus;
static void *objects[CPUS_MAX][BATCH];
static struct random random_state;

/* ---- loads: each does `operations` operations, on the CPUs in turn ---- */

/* The CPU of the i-th turn. All CPUs start a round of turns at the same time. */
static unsigned turn(unsigned i, unsigned of)
{
    if (i % of == 0)
        lines_begin_round();
    return i % of;
}

static void local_pairs(unsigned operations)
{
    for (unsigned i = 0; i < operations / 2; i++) {
        lines_be_cpu(turn(i, cpus));
        quarry_free(quarry_alloc(64));
    }
}

static void allocate_batch(unsigned cpu, void **batch)
{
    lines_be_cpu(cpu);
    for (unsigned i = 0; i < BATCH; i++)
        batch[i] = quarry_alloc(64);
}

static void free_batch(unsigned cpu, void **batch)
{
    lines_be_cpu(cpu);
    for (unsigned i = 0; i < BATCH; i++)
        quarry_free(batch[i]);
}

static void local_batches(unsigned operations)
{
    for (unsigned i = 0; i < operations / (2 * BATCH); i++) {
        allocate_batch(turn(i, cpus), objects[i % cpus]);
        free_batch(i % cpus, objects[i % cpus]);
    }
}

/* Each CPU frees the objects of the CPU before it. */
static void producers_and_consumers(unsigned operations)
{
    for (unsigned i = 0; i < operations / (2 * BATCH); i++) {
        allocate_batch(turn(i, cpus), objects[i % cpus]);
        free_batch((i + 1) % cpus, objects[i % cpus]);
    }
}

/* Half of the CPUs only allocate, the other half only free. */
static void one_way(unsigned operations)
{
    unsigned half = cpus > 1 ? cpus / 2 : 1;
    for (unsigned i = 0; i < operations / (2 * BATCH); i++) {
        allocate_batch(turn(i, half), objects[i % half]);
        free_batch((i % half + half) % cpus, objects[i % half]);
    }
}

/* A shared table: each CPU frees an object of a random slot, and puts a new object there. */
static void random_remote(unsigned operations)
{
    for (unsigned i = 0; i < operations / 2; i++) {
        lines_be_cpu(turn(i, cpus));
        void **place =
            &objects[random_below(&random_state, CPUS_MAX)][random_below(&random_state, BATCH)];
        quarry_free(*place);
        *place = quarry_alloc(64);
    }
}

static void empty_table(void)
{
    lines_be_cpu(0);
    for (unsigned i = 0; i < CPUS_MAX * BATCH; i++) {
        quarry_free(objects[i / BATCH][i % BATCH]);
        objects[i / BATCH][i % BATCH] = NULL;
    }
}

static void frame_pairs(unsigned operations, unsigned order)
{
    for (unsigned i = 0; i < operations / 2; i++) {
        lines_be_cpu(turn(i, cpus));
        quarry_frame_free(quarry_frame_alloc(order), order);
    }
}

static void single_frames(unsigned operations)
{
    frame_pairs(operations, 0);
}

static void huge_frames(unsigned operations)
{
    frame_pairs(operations, QUARRY_ORDER_HUGE);
}

/* More single frames than a CPU caches, so the frame allocator is called. */
static void frame_batches(unsigned operations)
{
    static uint64_t batch[BATCH];
    for (unsigned i = 0; i < operations / (2 * BATCH); i++) {
        lines_be_cpu(turn(i, cpus));
        for (unsigned j = 0; j < BATCH; j++)
            batch[j] = quarry_frame_alloc(0);
        for (unsigned j = 0; j < BATCH; j++)
            quarry_frame_free(batch[j], 0);
    }
}

/*
 * Lines that may move in a million operations, at any number of CPUs. The goal is one line for 16
 * objects; half of the operations are frees. `limit` is what was measured; above it the test fails.
 * If the goal is 0, locks are not allowed either.
 */
#define ONE_FOR_16 (OPERATIONS / 2 / 16)

static const struct load {
    const char *name;
    void (*run)(unsigned operations);
    void (*after)(void);
    unsigned long goal;
    unsigned long limit;
} loads[] = {
    {"local pairs", local_pairs, NULL, 0, 0},
    {"local batches of 100", local_batches, NULL, 0, 0},
    {"freed by the next CPU", producers_and_consumers, NULL, ONE_FOR_16, ONE_FOR_16},
    {"one way, half to half", one_way, NULL, ONE_FOR_16, 140000},
    {"random, from a shared table", random_remote, empty_table, ONE_FOR_16, ONE_FOR_16},
    {"frames of order 0", single_frames, NULL, 0, 0},
    {"the same, 100 at a time", frame_batches, NULL, 0, 0},
    {"frames of order 9", huge_frames, NULL, 0, 0},
};

/* ---- the machine ---- */

static void begin_heap(uintptr_t direct_map)
{
    const struct quarry_memory_region memory = {GIB / 16, MEMORY_BYTES - GIB / 16,
                                                QUARRY_MEMORY_USABLE};
    const struct quarry_setup setup = {.regions = &memory,
                                       .region_count = 1,
                                       .direct_map = direct_map,
                                       .cpus = CPUS_MAX};
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
        lines_be_cpu(cpu);
        *quarry_port_cpu() = (struct quarry_cpu){0};
    }
    memset(objects, 0, sizeof objects);
    lines_be_cpu(0);
    if (quarry_init(&setup) != QUARRY_OK) {
        fprintf(stderr, "scaling: cannot initialise the heap\n");
        exit(1);
    }
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        lines_be_cpu(cpu);
        quarry_cpu_online(cpu);
    }
}

/* Two runs first, in which the caches grow as far as the load needs. */
static struct counts measure(const struct load *load)
{
    load->run(OPERATIONS);
    load->run(OPERATIONS);
    counts = (struct counts){0};
    load->run(OPERATIONS);
    struct counts seen = counts;
    if (load->after != NULL)
        load->after();
    return seen;
}

int main(void)
{
    void *map = mmap(NULL, MEMORY_BYTES + GIB, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        perror("scaling: no address space");
        return 1;
    }
    uintptr_t direct_map = ((uintptr_t)map + GIB - 1) & ~(uintptr_t)(GIB - 1);
    lines_begin(direct_map, MEMORY_BYTES);
    printf("for a million operations      CPUs   locks  by another  contended  atomics   lines "
           "moved\n");
    unsigned passed = 0;
    unsigned failed = 0;
    for (unsigned i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        for (cpus = 1; cpus <= CPUS_MAX; cpus *= 2) {
            random_state = random_seeded(1);
            begin_heap(direct_map);
            struct counts seen = measure(&loads[i]);
            bool good =
                seen.moves <= loads[i].limit && (loads[i].goal > 0 || seen.acquisitions == 0);
            printf("%-28s %5u %7lu %11lu %10lu %8lu %13lu%s\n", cpus == 1 ? loads[i].name : "",
                   cpus, seen.acquisitions, seen.handovers, seen.contended, seen.atomics,
                   seen.moves,
                   !good                        ? "  above the limit"
                   : seen.moves > loads[i].goal ? "  above the goal"
                                                : "");
            passed += good;
            failed += !good;
        }
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0;
}
