/* SPDX-License-Identifier: MIT */
/*
 * The text of a run for the firmware's variable: the first and the last lines of the console,
 * without tests that passed, cut to HANDOFF_RESULT_BYTES.
 */
#ifndef BOOT_RESULT_H
#define BOOT_RESULT_H

#include <stddef.h>

/* Adds a line or part of a line that the console prints. The caller holds the console's lock. */
void result_note(const char *text);

/* Sets `*text` to the whole text; returns its length in bytes. */
size_t result_text(const char **text);

#endif
