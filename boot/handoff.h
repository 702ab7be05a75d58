/* SPDX-License-Identifier: MIT */
/*
 * What the firmware leaves behind, in words of our own: the border behind which nothing knows UEFI.
 */
#ifndef BOOT_HANDOFF_H
#define BOOT_HANDOFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/port.h>

#define HANDOFF_OPTIONS_BYTES 512u
#define HANDOFF_RESULT_BYTES 2048u /* what a firmware's variable surely holds */
#define HANDOFF_CPUS_MAX 256u
#define HANDOFF_EXECUTABLES_MAX 64u

struct framebuffer {
    uintptr_t base; /* 0: there is none that we can draw on */
    size_t bytes;
    uint32_t width;
    uint32_t height;
    uint32_t pixels_per_line;
    bool red_first; /* the byte order of a pixel: red green blue, or blue green red */
};

struct address_range {
    uint64_t base;
    uint64_t bytes;
};

/* The CPUs that the firmware's tables name, the boot CPU first. */
struct cpu_list {
    unsigned count;
    unsigned beyond; /* CPUs that there was no room for */
    uint32_t apic_ids[HANDOFF_CPUS_MAX];
};

/* Where a run's results go, but for screen and serial line. */
enum results_place {
    RESULTS_NOWHERE,   /* not started from a stick */
    RESULTS_PROTECTED, /* the stick cannot be written to */
    RESULTS_KEPT,      /* the firmware keeps them, and the next start writes them to the stick */
};

struct handoff {
    enum results_place results;
    char options[HANDOFF_OPTIONS_BYTES];
    char firmware[64];
    struct framebuffer framebuffer;
    struct cpu_list cpus;
    uint64_t ticks_per_second; /* of the timestamp counter */

    /* The memory map. What the harness occupies is reserved in it. */
    struct quarry_memory_region *regions;
    size_t region_count;
    size_t region_capacity;

    /* What is called after the handoff, for the reset and the results: the firmware's code, its
     * data, and its devices, which are in no region. */
    struct address_range executables[HANDOFF_EXECUTABLES_MAX];
    size_t executable_count;

    /* ACPI's tables of memory nodes, by physical address; 0: none. Read by nobody yet. */
    uint64_t memory_affinity_table; /* SRAT */
    uint64_t memory_distance_table; /* SLIT */

    /* Memory for the harness: a page below 1 MiB, and a block below 4 GiB, cleared. */
    uintptr_t low_page;
    uintptr_t work;
    size_t work_bytes;
};

/* How much of the address space there is to map: for the size of the harness's page tables. */
struct mapping_extent {
    size_t gibibytes;         /* different GiB that contain memory */
    size_t half_tebibytes;    /* different 512 GiB */
    size_t split_large_pages; /* different 2 MiB in which the firmware's own parts lie */
};

/* How much work memory the harness needs for so many CPUs and so much to map. */
size_t handoff_work_bytes(unsigned cpus, const struct mapping_extent *extent);

/* Takes the machine over; never returns. In main.c. */
_Noreturn void harness_main(struct handoff *handoff);

/* Resets or switches off by the firmware, which can still do that. Returns if it cannot. */
void firmware_reset(bool power_off);

/* Hands the run's results to the firmware (session.h); false if it refuses. Interrupts are off. */
bool firmware_keep_results(const char *text, size_t bytes);

#endif
