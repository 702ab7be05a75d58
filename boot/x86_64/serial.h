/* SPDX-License-Identifier: MIT */
/* The serial console, COM1 at 115200 baud. Every wait is bounded, so a broken port cannot hang. */
#ifndef BOOT_X86_64_SERIAL_H
#define BOOT_X86_64_SERIAL_H

#include <stdbool.h>

/* Checks by loop-back whether there is a port, and sets it up. Without one, writing does nothing.
 */
bool serial_init(void);

/* A newline becomes carriage return and newline. */
void serial_write(const char *text);

#endif
