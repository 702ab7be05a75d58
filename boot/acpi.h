/* SPDX-License-Identifier: MIT */
/* Three ACPI tables: CPUs (MADT), memory nodes (SRAT), distances between nodes (SLIT). */
#ifndef BOOT_ACPI_H
#define BOOT_ACPI_H

#include "boot/handoff.h"

/*
 * Reads the tables from the root pointer (NULL: none). Fills in the handoff's CPUs and the
 * addresses of the two other tables. A table with a wrong length or checksum is ignored.
 * `boot_apic_id` is the first in the list; without a MADT it is the only one.
 */
void acpi_read(const void *root_pointer, uint32_t boot_apic_id, struct handoff *handoff);

#endif
