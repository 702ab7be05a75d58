/* SPDX-License-Identifier: MIT */
/*
 * What a run has to say in the end, cut to what the firmware's variables hold: the first lines and
 * the last ones of the console, but for tests that passed.
 */
#ifndef BOOT_RESULT_H
#define BOOT_RESULT_H

#include <stddef.h>

/* A line, or a piece of one, that the console prints. The console's lock is held. */
void result_note(const char *text);

/* All that was noted, as one text; its length in bytes. */
size_t result_text(const char **text);

#endif
