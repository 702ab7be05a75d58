/* SPDX-License-Identifier: MIT */
/* What quarry_init() and the CPUs' functions share; see init.c and cpus.c. */
#ifndef MM_API_INIT_H
#define MM_API_INIT_H

#include <stddef.h>

/* Bytes of Quarry's tables, taken at the start. Written by quarry_init() only. */
extern size_t heap_boot_bytes;

/* No CPU is online. */
void cpus_init(void);

#endif
