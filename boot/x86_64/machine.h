/* SPDX-License-Identifier: MIT */
/*
 * The machine: whether it is QEMU, QEMU's options and exit device, the keyboard, the processor
 * name.
 */
#ifndef BOOT_X86_64_MACHINE_H
#define BOOT_X86_64_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether QEMU's firmware configuration device exists. It is probed only under a hypervisor,
 * because its ports may belong to another device. */
bool machine_is_qemu(void);

/* Reads the text of -fw_cfg name=NAME, cut to the capacity. Returns its length; 0: none. */
size_t machine_qemu_text(const char *name, char *text, size_t capacity_bytes);

/* Exits QEMU with a status. Returns if there is no isa-debug-exit device. */
void machine_qemu_exit(bool passed);

/* Whether there is a PS/2 controller, real or emulated. */
bool machine_has_keyboard(void);

/* Waits up to `seconds` for a key of a PS/2 keyboard; false if none was pressed. 0: only checks
 * whether a key was pressed before. */
bool machine_wait_key(unsigned seconds);

/* Writes the processor's name; `name` has at least 49 bytes. */
void machine_processor_name(char *name);

#endif
