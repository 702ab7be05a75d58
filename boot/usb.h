/* SPDX-License-Identifier: MIT */
/*
 * Files on the medium that the image was started from, until ExitBootServices. The harness reads
 * quarry.cfg and appends to results.txt.
 */
#ifndef BOOT_USB_H
#define BOOT_USB_H

#include <efi.h>
#include <stdbool.h>
#include <stddef.h>

/* Called before the others. False: the firmware finds no file system, and the others fail. */
bool usb_open(EFI_BOOT_SERVICES *services, EFI_HANDLE image);

/* Reads the file's text, cut to the capacity and terminated by 0. Returns its length; 0: no file.
 */
size_t usb_read(const CHAR16 *path, char *text, size_t capacity_bytes);

/* Appends the text to the file, which is created if needed. False: write-protected, full, broken.
 */
bool usb_append(const CHAR16 *path, const char *text, size_t bytes);

#endif
