/* SPDX-License-Identifier: MIT */
/* A heap in the middle of its life, told as JSON (quarry/stats.h): what `make heapmap` draws. */
#ifndef BOOT_HEAPMAP_H
#define BOOT_HEAPMAP_H

/* Prints the JSON between two lines "heapmap begin" and "heapmap end"; begins a fresh heap, and
 * leaves it empty. CPU 0, interrupts on. */
void heapmap_run(void);

#endif
