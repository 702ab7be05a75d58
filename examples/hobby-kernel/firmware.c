/* SPDX-License-Identifier: MIT */
/* Information from the loader, by PVH or multiboot2: the memory map, and ACPI's list of CPUs. */
#include "kernel.h"

#define MULTIBOOT2_MAGIC 0x36d76289
#define PVH_MAGIC 0x336ec578

extern const uint32_t boot_magic, boot_info;
extern const char kernel_start[], kernel_end[]; /* physical */

struct boot boot;

static void add_region(uint64_t base, uint64_t bytes, enum quarry_memory_kind kind)
{
    if (boot.region_count == sizeof boot.regions / sizeof boot.regions[0])
        panic("the memory map has more than %lu regions", boot.region_count);
    boot.regions[boot.region_count++] = (struct quarry_memory_region){base, bytes, kind};
}

/* Adds an entry of the firmware's map. Kind 1 is free memory. */
static void add_entry(uint64_t base, uint64_t bytes, uint32_t kind)
{
    add_region(base, bytes, kind == 1 ? QUARRY_MEMORY_USABLE : QUARRY_MEMORY_RESERVED);
}

/* ---- PVH: https://xenbits.xen.org/docs/unstable/misc/pvh.html ---- */

struct pvh_start {
    uint32_t magic, version, flags, modules;
    uint64_t module_list, command_line, rsdp, map;
    uint32_t map_entries, reserved;
};

struct pvh_entry {
    uint64_t base, bytes;
    uint32_t kind, reserved;
};

static const void *read_pvh(const struct pvh_start *start)
{
    boot.loader = "PVH";
    const struct pvh_entry *entries = at_physical(start->map);
    for (uint32_t i = 0; i < start->map_entries; i++)
        add_entry(entries[i].base, entries[i].bytes, entries[i].kind);
    return at_physical(start->rsdp);
}

/* ---- multiboot2 ---- */

struct tag {
    uint32_t kind, bytes;
};

struct map_tag {
    struct tag tag;
    uint32_t entry_bytes, version;
    struct pvh_entry entries[]; /* the same layout */
};

enum { TAG_END = 0, TAG_MAP = 6, TAG_RSDP_1 = 14, TAG_RSDP_2 = 15 };

static const void *read_multiboot2(const char *info)
{
    boot.loader = "multiboot2";
    const void *rsdp = NULL;
    const struct tag *tag = (const void *)(info + 8);
    for (; tag->kind != TAG_END;
         tag = (const void *)((const char *)tag + (tag->bytes + 7) / 8 * 8)) {
        if (tag->kind == TAG_RSDP_2 || (tag->kind == TAG_RSDP_1 && rsdp == NULL))
            rsdp = tag + 1;
        if (tag->kind != TAG_MAP)
            continue;
        const struct map_tag *map = (const void *)tag;
        size_t count = (tag->bytes - sizeof *map) / sizeof map->entries[0];
        for (size_t i = 0; i < count; i++)
            add_entry(map->entries[i].base, map->entries[i].bytes, map->entries[i].kind);
    }
    return rsdp;
}

/* ---- ACPI: from the root pointer to the table of interrupt controllers ---- */

struct __attribute__((__packed__)) rsdp {
    char signature[8];
    uint8_t checksum;
    char maker[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t bytes;
    uint64_t xsdt;
};

struct __attribute__((__packed__)) table {
    char signature[4];
    uint32_t bytes;
    char rest[28];
};

static void read_madt(const struct table *madt)
{
    const uint8_t *entry = (const uint8_t *)madt + sizeof *madt + 8;
    const uint8_t *end = (const uint8_t *)madt + madt->bytes;
    for (; entry + 2 <= end && entry[1] >= 2; entry += entry[1])
        if (entry[0] == 0 && (entry[4] & 1) && boot.cpus < CPUS_MAX) /* an enabled CPU */
            boot.apic_ids[boot.cpus++] = entry[3];
}

static void read_acpi(const struct rsdp *rsdp)
{
    bool wide = rsdp->revision >= 2 && rsdp->xsdt != 0;
    const struct table *root = at_physical(wide ? rsdp->xsdt : rsdp->rsdt);
    size_t word = wide ? 8 : 4;
    for (const char *at = (const char *)(root + 1); at < (const char *)root + root->bytes;
         at += word) {
        uint64_t address = 0;
        memcpy(&address, at, word);
        const struct table *table = at_physical(address);
        if (memcmp(table->signature, "APIC", 4) == 0)
            read_madt(table);
    }
}

void boot_read(void)
{
    const void *info = at_physical(boot_info);
    const void *rsdp = NULL;
    if (boot_magic == MULTIBOOT2_MAGIC)
        rsdp = read_multiboot2(info);
    else if (((const struct pvh_start *)info)->magic == PVH_MAGIC)
        rsdp = read_pvh(info);
    else
        panic("started by neither PVH nor multiboot2");
    if (rsdp != NULL)
        read_acpi(rsdp);
    add_region(0, 1 << 20, QUARRY_MEMORY_RESERVED); /* the trampoline and the firmware's data */
    add_region((uint64_t)kernel_start, (uint64_t)(kernel_end - kernel_start),
               QUARRY_MEMORY_RESERVED);
    add_region(MAPPED_BYTES, UINT64_MAX - MAPPED_BYTES, QUARRY_MEMORY_RESERVED);
}
