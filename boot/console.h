/* SPDX-License-Identifier: MIT */
/* The console of the harness: serial port and screen. Any CPU may print; one call is not split. */
#ifndef BOOT_CONSOLE_H
#define BOOT_CONSOLE_H

#include "boot/screen.h"

void console_init(const struct framebuffer *framebuffer);

/* Formatted text; a line that begins with "ok", "not ok" or "#" gets its colour on the screen. */
void console_print(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

/* The screen's last line. */
void console_status(enum screen_colour colour, const char *format, ...)
    __attribute__((__format__(__printf__, 2, 3)));

/* The report of a stop, in red. Does not acquire the console's lock: the stop may hold it. */
void console_report(const char *report);

#endif
