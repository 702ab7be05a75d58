/* SPDX-License-Identifier: MIT */
/*
 * The harness's page tables: an identity map of all memory.
 *
 * The firmware's tables may be read-only and incomplete, and they are in memory that Quarry will
 * use. So the harness builds its own in its work memory, with the largest pages that fit, and with
 * 4 or 5 levels as the firmware configured the processor. Then some parts get their own rights:
 * code is not writable, data is not executable, and page 0 and the guard pages below stacks are not
 * accessible.
 */
#ifndef BOOT_X86_64_PAGING_H
#define BOOT_X86_64_PAGING_H

#include <stddef.h>
#include <stdint.h>

enum paging_rights {
    PAGING_NONE, /* not mapped */
    PAGING_READ,
    PAGING_READ_WRITE,
    PAGING_READ_EXECUTE,
    PAGING_ALL, /* for runtime services, whose code and data are not separated */
};

/*
 * Bytes of tables for memory in this number of aligned GiB and aligned 512 GiB, with rights of
 * their own for parts of this number of aligned 2 MiB.
 */
size_t paging_bytes_needed(size_t gibibytes, size_t half_tebibytes, size_t split_large_pages);

/* Tables come from [pool, pool + bytes), page-aligned, below 4 GiB. */
void paging_init(uintptr_t pool, size_t bytes);

/* Maps [start, start + bytes), extended to whole 2 MiB pages, readable and writable. */
void paging_map(uint64_t start, uint64_t bytes);

/* Sets the rights of [start, start + bytes), page by page. Maps pages that were not mapped. */
void paging_protect(uint64_t start, uint64_t bytes, enum paging_rights rights);

/* Loads the tables on this CPU. */
void paging_load(void);

/* The root table, for the trampoline of a started CPU. */
uint64_t paging_root(void);

#endif
