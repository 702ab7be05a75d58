/* SPDX-License-Identifier: MIT */
/* What the harness says: to the serial port and the screen at once, from any CPU, a line whole. */
#ifndef BOOT_CONSOLE_H
#define BOOT_CONSOLE_H

#include "boot/screen.h"

void console_init(const struct framebuffer *framebuffer);

/* Formatted text; a line that begins with "ok", "not ok" or "#" gets its colour on the screen. */
void console_print(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

/* The screen's last line. */
void console_status(enum screen_colour colour, const char *format, ...)
    __attribute__((__format__(__printf__, 2, 3)));

/* A report of the end: in red, and whoever held the console has lost it. */
void console_report(const char *report);

#endif
