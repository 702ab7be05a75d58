/* SPDX-License-Identifier: MIT */
/*
 * A run from a stick, the part that needs the firmware: quarry.cfg, the menu, and the results,
 * which have a way to go. At the start the stick is written to directly: that a run begins, and
 * with what options. What the run finds is known when the firmware's file system is gone, so then
 * the firmware's variables keep it, over resets and power cuts; at the next start it is appended to
 * the stick's results.txt, and the variable goes.
 *
 * A medium without quarry.cfg is not a stick, but QEMU's disk of `make run`: no menu, no results.
 */
#ifndef BOOT_SESSION_H
#define BOOT_SESSION_H

#include <efi.h>
#include <stdbool.h>
#include <stddef.h>

#include "boot/handoff.h"

/* Fills in the handoff's options and `results`. False: the user wants the machine off. */
bool session_begin(EFI_SYSTEM_TABLE *table, EFI_HANDLE image, struct handoff *handoff);

/* Keeps the text for session_begin() of the next start, in the place of an older one. After boot
 * services; false: the firmware refused. */
bool session_keep(EFI_RUNTIME_SERVICES *runtime, const char *text, size_t bytes);

#endif
