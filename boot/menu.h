/* SPDX-License-Identifier: MIT */
/*
 * The menu on the firmware's console (screen, serial line and keyboard). When the countdown ends
 * without a key, the entry that quarry.cfg names is chosen.
 */
#ifndef BOOT_MENU_H
#define BOOT_MENU_H

#include <efi.h>
#include <stdbool.h>

/*
 * Shows `notice` and the entries. Returns the option words of the chosen entry; NULL: switch off.
 * `seconds`: the countdown; 0: none. `preselected`: an entry's name; if there is no such entry, the
 * first one is selected. Without a console returns the selected entry at once.
 */
const char *menu_choose(EFI_SYSTEM_TABLE *table, const CHAR16 *notice, unsigned seconds,
                        const char *preselected);

#endif
