/* SPDX-License-Identifier: MIT */
/* ACPI's tables; see acpi.h. */
#include "boot/acpi.h"

struct root_pointer {
    char signature[8];
    uint8_t checksum;
    char maker[6];
    uint8_t revision;
    uint32_t short_table;
    uint32_t length;
    uint64_t long_table;
    uint8_t extended_checksum;
    uint8_t reserved[3];
} __attribute__((__packed__));

struct table {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char maker[6];
    char model[8];
    uint32_t details[3];
} __attribute__((__packed__));

#define TABLE_BYTES_MAX (1u << 20) /* a longer table is treated as corrupted */

static bool sums_to_zero(const void *start, size_t bytes)
{
    const uint8_t *byte = start;
    uint8_t sum = 0;
    for (size_t i = 0; i < bytes; i++)
        sum = (uint8_t)(sum + byte[i]);
    return sum == 0;
}

static bool has_signature(const struct table *table, const char *signature)
{
    for (unsigned i = 0; i < 4; i++)
        if (table->signature[i] != signature[i])
            return false;
    return true;
}

static bool is_valid(const struct table *table)
{
    return table != NULL && table->length >= sizeof *table && table->length <= TABLE_BYTES_MAX &&
           sums_to_zero(table, table->length);
}

/* ---- the MADT ---- */

#define ENTRY_LOCAL_APIC 0u
#define ENTRY_LOCAL_X2APIC 9u
#define FLAG_ENABLED 1u

struct local_apic {
    uint8_t type, length, processor, id;
    uint32_t flags;
} __attribute__((__packed__));

struct local_x2apic {
    uint8_t type, length;
    uint16_t reserved;
    uint32_t id;
    uint32_t flags;
    uint32_t processor;
} __attribute__((__packed__));

static void add_cpu(struct cpu_list *cpus, uint32_t id)
{
    for (unsigned i = 0; i < cpus->count; i++)
        if (cpus->apic_ids[i] == id)
            return; /* listed in both forms, or the boot CPU */
    if (cpus->count < HANDOFF_CPUS_MAX)
        cpus->apic_ids[cpus->count++] = id;
    else
        cpus->beyond++;
}

static void read_madt(const struct table *madt, struct cpu_list *cpus)
{
    uintptr_t at = (uintptr_t)madt + sizeof *madt + 8;
    uintptr_t end = (uintptr_t)madt + madt->length;
    while (at + 2 <= end) {
        const struct local_apic *apic = (const struct local_apic *)at;
        const struct local_x2apic *x2apic = (const struct local_x2apic *)at;
        if (apic->length < 2 || apic->length > end - at)
            break;
        if (apic->type == ENTRY_LOCAL_APIC && apic->length >= sizeof *apic &&
            (apic->flags & FLAG_ENABLED) && apic->id != 0xff)
            add_cpu(cpus, apic->id);
        if (apic->type == ENTRY_LOCAL_X2APIC && apic->length >= sizeof *x2apic &&
            (x2apic->flags & FLAG_ENABLED))
            add_cpu(cpus, x2apic->id);
        at += apic->length;
    }
}

/* ---- the root ---- */

static void read_table(const struct table *table, struct handoff *handoff)
{
    if (!is_valid(table))
        return;
    if (has_signature(table, "APIC"))
        read_madt(table, &handoff->cpus);
    else if (has_signature(table, "SRAT"))
        handoff->memory_affinity_table = (uintptr_t)table;
    else if (has_signature(table, "SLIT"))
        handoff->memory_distance_table = (uintptr_t)table;
}

/* The root table lists unaligned addresses of 4 or 8 bytes. */
static uint64_t read_address(const uint8_t *at, unsigned bytes)
{
    uint64_t address = 0;
    for (unsigned i = bytes; i-- > 0;)
        address = address << 8 | at[i];
    return address;
}

static void read_root_table(const struct table *root, unsigned address_bytes,
                            struct handoff *handoff)
{
    if (!is_valid(root))
        return;
    const uint8_t *at = (const uint8_t *)root + sizeof *root;
    const uint8_t *end = (const uint8_t *)root + root->length;
    for (; at + address_bytes <= end; at += address_bytes)
        read_table((const struct table *)(uintptr_t)read_address(at, address_bytes), handoff);
}

void acpi_read(const void *root_pointer, uint32_t boot_apic_id, struct handoff *handoff)
{
    const struct root_pointer *root = root_pointer;
    handoff->cpus.count = 0;
    add_cpu(&handoff->cpus, boot_apic_id);
    if (root == NULL || !sums_to_zero(root, 20))
        return;
    if (root->revision >= 2 && root->long_table != 0)
        read_root_table((const struct table *)(uintptr_t)root->long_table, 8, handoff);
    else
        read_root_table((const struct table *)(uintptr_t)root->short_table, 4, handoff);
}
