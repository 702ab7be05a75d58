/* SPDX-License-Identifier: MIT */
/*
 * Data that firmware.c collects for the harness. Code behind this header does not depend on UEFI.
 */
#ifndef BOOT_HANDOFF_H
#define BOOT_HANDOFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/port.h>

#define HANDOFF_OPTIONS_BYTES 512u
#define HANDOFF_RESULT_BYTES 2048u /* a size that every firmware accepts for a variable */
#define HANDOFF_CPUS_MAX 256u
#define HANDOFF_EXECUTABLES_MAX 64u

struct framebuffer {
    uintptr_t base; /* 0: none, or not supported */
    size_t bytes;
    uint32_t width;
    uint32_t height;
    uint32_t pixels_per_line;
    bool red_first; /* byte order of a pixel: red, green, blue; if false, blue, green, red */
};

struct address_range {
    uint64_t base;
    uint64_t bytes;
};

/* The CPUs in the firmware's tables, the boot CPU first. */
struct cpu_list {
    unsigned count;
    unsigned beyond; /* CPUs that did not fit */
    uint32_t apic_ids[HANDOFF_CPUS_MAX];
};

/* Where a run's results are stored, besides screen and serial line. */
enum results_place {
    RESULTS_NOWHERE,   /* not started from a USB stick */
    RESULTS_PROTECTED, /* the USB stick is not writable */
    RESULTS_KEPT,      /* in a variable of the firmware; the next start writes them to the stick */
};

struct handoff {
    enum results_place results;
    char options[HANDOFF_OPTIONS_BYTES];
    bool options_cut; /* there were more than fit */
    char firmware[64];
    struct framebuffer framebuffer;
    struct cpu_list cpus;
    uint64_t ticks_per_second; /* of the timestamp counter */

    /* The memory map. What the harness occupies is reserved in it. */
    struct quarry_memory_region *regions;
    size_t region_count;
    size_t region_capacity;

    /* Runtime services, called after the handoff for the reset and the results: the firmware's
     * code, data and devices, which are in no region. */
    struct address_range executables[HANDOFF_EXECUTABLES_MAX];
    size_t executable_count;

    /* Physical addresses of ACPI's tables of memory nodes; 0: none. Not used yet. */
    uint64_t memory_affinity_table; /* SRAT */
    uint64_t memory_distance_table; /* SLIT */

    /* Memory for the harness, cleared: a page below 1 MiB and a block below 4 GiB. */
    uintptr_t low_page;
    uintptr_t work;
    size_t work_bytes;

    /* Runtime services, called with interrupts off. reset() restarts the machine or switches it off
     * and returns only if it fails. keep_results() stores the run's results in a variable
     * (session.h) and returns false if it fails. */
    void (*reset)(bool power_off);
    bool (*keep_results)(const char *text, size_t bytes);
};

/* How much of the address space is mapped: determines the size of the harness's page tables. */
struct mapping_extent {
    size_t gibibytes;         /* aligned GiB that contain memory */
    size_t half_tebibytes;    /* aligned 512 GiB that contain memory */
    size_t split_large_pages; /* aligned 2 MiB that contain parts of the firmware */
};

/* The work memory that the harness needs for this number of CPUs and this mapping. */
size_t handoff_work_bytes(unsigned cpus, const struct mapping_extent *extent);

/* Runs the harness; never returns. In main.c. */
_Noreturn void harness_main(struct handoff *handoff);

#endif
