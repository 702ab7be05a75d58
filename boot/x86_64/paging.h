/* SPDX-License-Identifier: MIT */
/*
 * Page tables of our own: an identity map of all memory, nothing else.
 *
 * The firmware's tables are read-only, map only what the firmware likes, and lie in memory that is
 * to be given away. These are built before, in memory of the harness, with the largest pages that
 * fit, 4 or 5 levels as the firmware left the processor; then parts get their own rights: code
 * may not be written, data not executed, page 0 and the guard pages below stacks not touched.
 */
#ifndef ARCH_X86_64_PAGING_H
#define ARCH_X86_64_PAGING_H

#include <stddef.h>
#include <stdint.h>

enum paging_rights {
    PAGING_NONE, /* not mapped */
    PAGING_READ,
    PAGING_READ_WRITE,
    PAGING_READ_EXECUTE,
    PAGING_ALL, /* for firmware code that is called afterwards and writes beside itself */
};

/*
 * Bytes of tables for memory that touches so many different GiB, so many different 512 GiB, and of
 * which parts in so many different 2 MiB get rights of their own.
 */
size_t paging_bytes_needed(size_t gibibytes, size_t half_tebibytes, size_t split_large_pages);

/* Tables come from [pool, pool + bytes), page-aligned, below 4 GiB. */
void paging_init(uintptr_t pool, size_t bytes);

/* Maps at least [start, start + bytes), whole 2 MiB pages, readable and writable. */
void paging_map(uint64_t start, uint64_t bytes);

/* Changes the rights of [start, start + bytes), page by page; maps what was not. */
void paging_protect(uint64_t start, uint64_t bytes, enum paging_rights rights);

/* This CPU uses the tables from now on. */
void paging_load(void);

/* For a CPU that is being started. */
uint64_t paging_root(void);

#endif
