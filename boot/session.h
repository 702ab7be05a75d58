/* SPDX-License-Identifier: MIT */
/*
 * A run from a USB stick: quarry.cfg, the menu and the results. At the start, the time and the
 * options are written to the stick's results.txt. After ExitBootServices nothing can write to the
 * stick, so the results are stored in a non-volatile UEFI variable. The next start appends them to
 * results.txt and deletes the variable.
 *
 * A medium without quarry.cfg is QEMU's disk of `make run`: no menu, no results.
 */
#ifndef BOOT_SESSION_H
#define BOOT_SESSION_H

#include <efi.h>
#include <stdbool.h>
#include <stddef.h>

#include "boot/handoff.h"

/* Fills in the handoff's options and `results`. False: the user chose to switch off. */
bool session_begin(EFI_SYSTEM_TABLE *table, EFI_HANDLE image, struct handoff *handoff);

/* Stores the text in the variable, for session_begin() of the next start. Replaces an older text.
 * Called after ExitBootServices. False: the firmware refused. */
bool session_keep(EFI_RUNTIME_SERVICES *runtime, const char *text, size_t bytes);

#endif
