/* SPDX-License-Identifier: MIT */
/* The serial console, COM1 at 115200 baud. Every wait is bounded: a dead port costs time, no hang.
 */
#ifndef ARCH_X86_64_SERIAL_H
#define ARCH_X86_64_SERIAL_H

#include <stdbool.h>

/* Looks whether there is a port (by its loop-back) and sets it up. Without one, writing is nothing.
 */
bool serial_init(void);

/* A newline becomes carriage return and newline. */
void serial_write(const char *text);

#endif
