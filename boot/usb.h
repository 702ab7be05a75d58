/* SPDX-License-Identifier: MIT */
/*
 * The medium that the image was started from, while the firmware still serves it: a stick with
 * quarry.cfg on it, which is read, and results, which are appended to. For the files that talk to
 * the firmware (firmware.c, stick.c, menu.c).
 */
#ifndef BOOT_STICK_H
#define BOOT_STICK_H

#include <efi.h>
#include <stdbool.h>
#include <stddef.h>

/* Before the others; false: the firmware has no file system there, and the others find nothing. */
bool usb_open(EFI_BOOT_SERVICES *services, EFI_HANDLE image);

/* The file's text, cut to the capacity and ended by 0; its length, 0 where there is none. */
size_t usb_read(const CHAR16 *path, char *text, size_t capacity_bytes);

/* Text at the end of the file, which is made if need be. False: write-protected, full, broken. */
bool usb_append(const CHAR16 *path, const char *text, size_t bytes);

#endif
