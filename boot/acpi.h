/* SPDX-License-Identifier: MIT */
/* The three ACPI tables that matter here: CPUs (MADT), memory nodes (SRAT), distances (SLIT). */
#ifndef BOOT_ACPI_H
#define BOOT_ACPI_H

#include "boot/handoff.h"

/*
 * Reads the tables from the root pointer (NULL: there is none). Fills the handoff's CPUs and the
 * addresses of the two other tables. A table whose length or checksum is wrong counts as absent;
 * without a MADT the boot CPU is the only one. `boot_apic_id` comes first in the list.
 */
void acpi_read(const void *root_pointer, uint32_t boot_apic_id, struct handoff *handoff);

#endif
