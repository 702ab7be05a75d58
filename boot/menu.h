/* SPDX-License-Identifier: MIT */
/*
 * What to do, asked while the firmware still serves screen, serial line and keyboard. Without a key
 * the countdown ends in the entry that quarry.cfg names.
 */
#ifndef BOOT_MENU_H
#define BOOT_MENU_H

#include <efi.h>
#include <stdbool.h>

/*
 * Shows `notice` and the entries, and returns the option words of the one that was chosen; NULL:
 * switch off. `seconds`: 0 waits for ever. `preselected`: an entry's name; another text is the
 * first. Needs a console; without one returns the preselected entry at once.
 */
const char *menu_choose(EFI_SYSTEM_TABLE *table, const CHAR16 *notice, unsigned seconds,
                        const char *preselected);

#endif
