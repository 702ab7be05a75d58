/* SPDX-License-Identifier: MIT */
/* Page tables; see paging.h. */
#include "boot/x86_64/paging.h"

#include <stdbool.h>

#include "boot/x86_64/instructions.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "lib/memory.h"

#define PAGE_BYTES ((uint64_t)4096)
#define TABLE_ENTRIES 512u

#define ENTRY_PRESENT ((uint64_t)1 << 0)
#define ENTRY_WRITABLE ((uint64_t)1 << 1)
#define ENTRY_LARGE ((uint64_t)1 << 7)
#define ENTRY_NO_EXECUTE ((uint64_t)1 << 63)
#define ENTRY_ADDRESS ((uint64_t)0x000ffffffffff000)

/* Levels: 1 maps 4 KiB pages, 2 maps 2 MiB, 3 maps 1 GiB. */
static uint64_t bytes_of_level(unsigned level)
{
    return PAGE_BYTES << (9 * (level - 1));
}

static uint64_t *root;
static uintptr_t pool_at;
static uintptr_t pool_end;
static unsigned levels;
static bool loaded;
static bool has_no_execute;
static bool has_gigabyte_pages;

static void read_features(void)
{
    bool extended = cpuid(0x80000000u).eax >= 0x80000001u;
    uint32_t features = extended ? cpuid(0x80000001u).edx : 0;
    has_no_execute = features >> 20 & 1;
    has_gigabyte_pages = features >> 26 & 1;
    levels = cr4_read() & CR4_FIVE_LEVELS ? 5 : 4;
}

size_t paging_bytes_needed(size_t gibibytes, size_t half_tebibytes, size_t split_large_pages)
{
    /* An upper bound: no pages of 1 GiB, and for each 512 GiB three tables on the levels above;
     * plus the root. */
    return (gibibytes + 3 * half_tebibytes + split_large_pages + 1) * PAGE_BYTES;
}

static uint64_t *table_alloc(void)
{
    CHECK(pool_at < pool_end, "harness: out of memory for page tables");
    uint64_t *table = (uint64_t *)pool_at;
    memory_clear(table, PAGE_BYTES);
    pool_at += PAGE_BYTES;
    return table;
}

void paging_init(uintptr_t pool, size_t bytes)
{
    read_features();
    pool_at = pool;
    pool_end = pool + bytes;
    root = table_alloc();
}

/* Replaces a large page by a table of the next smaller pages, with the same rights. */
static void split(uint64_t *entry, unsigned level)
{
    uint64_t *table = table_alloc();
    uint64_t small = *entry & ~(level == 2 ? ENTRY_LARGE : 0);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++)
        table[i] = small + i * bytes_of_level(level - 1);
    *entry = (uintptr_t)table | ENTRY_PRESENT | ENTRY_WRITABLE;
}

/* The entry for `address` at level `wanted`; allocates missing tables on the path. */
static uint64_t *entry_at(uint64_t address, unsigned wanted)
{
    uint64_t *table = root;
    for (unsigned level = levels;; level--) {
        uint64_t *entry = &table[address / bytes_of_level(level) % TABLE_ENTRIES];
        if (level == wanted)
            return entry;
        if (!(*entry & ENTRY_PRESENT))
            *entry = (uintptr_t)table_alloc() | ENTRY_PRESENT | ENTRY_WRITABLE;
        else if (*entry & ENTRY_LARGE)
            split(entry, level);
        table = (uint64_t *)(*entry & ENTRY_ADDRESS);
    }
}

static uint64_t no_execute(void)
{
    return has_no_execute ? ENTRY_NO_EXECUTE : 0;
}

void paging_map(uint64_t start, uint64_t bytes)
{
    uint64_t large = bytes_of_level(2);
    uint64_t end = round_up(start + bytes, large);
    uint64_t at = round_down(start, large);
    while (at < end) {
        uint64_t giant = bytes_of_level(3);
        bool fits = has_gigabyte_pages && at % giant == 0 && end - at >= giant &&
                    !(*entry_at(at, 3) & ENTRY_PRESENT);
        unsigned level = fits ? 3 : 2;
        /* An existing entry maps the same address with the same rights. */
        uint64_t *entry = entry_at(at, level);
        if (!(*entry & ENTRY_PRESENT))
            *entry = at | ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_LARGE | no_execute();
        at += bytes_of_level(level);
    }
}

void paging_protect(uint64_t start, uint64_t bytes, enum paging_rights rights)
{
    static const uint64_t flags[] = {
        [PAGING_NONE] = 0,
        [PAGING_READ] = ENTRY_PRESENT | ENTRY_NO_EXECUTE,
        [PAGING_READ_WRITE] = ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_NO_EXECUTE,
        [PAGING_READ_EXECUTE] = ENTRY_PRESENT,
        [PAGING_ALL] = ENTRY_PRESENT | ENTRY_WRITABLE,
    };
    uint64_t allowed = has_no_execute ? UINT64_MAX : ~ENTRY_NO_EXECUTE;
    uint64_t end = round_up(start + bytes, PAGE_BYTES);
    for (uint64_t at = round_down(start, PAGE_BYTES); at < end; at += PAGE_BYTES)
        *entry_at(at, 1) = at | (flags[rights] & allowed);
    if (loaded)
        cr3_write(cr3_read()); /* flush this CPU's translations */
}

void paging_load(void)
{
    if (has_no_execute)
        msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_NO_EXECUTE_ENABLE);
    /* Flushes all translations of the firmware, including global ones. */
    cr4_write(cr4_read() & ~(uint64_t)CR4_GLOBAL_PAGES);
    cr3_write((uintptr_t)root);
    loaded = true;
    cr0_write(cr0_read() | CR0_WRITE_PROTECT);
}

uint64_t paging_root(void)
{
    return (uintptr_t)root;
}
