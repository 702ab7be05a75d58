/* SPDX-License-Identifier: MIT */
/*
 * The machine around the CPUs: whether it is QEMU, what QEMU was told, the keyboard, the way out.
 */
#ifndef ARCH_X86_64_MACHINE_H
#define ARCH_X86_64_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

/* QEMU's firmware configuration answers. Only asked under a hypervisor: the ports may be others'.
 */
bool machine_is_qemu(void);

/* The text of -fw_cfg name=NAME; its length, cut to the capacity; 0 if there is none. */
size_t machine_qemu_text(const char *name, char *text, size_t capacity_bytes);

/* Ends QEMU with a status, if it has the isa-debug-exit device; returns if not. */
void machine_qemu_exit(bool passed);

/* Whether there is a PS/2 controller, or something that plays one. */
bool machine_has_keyboard(void);

/* Waits for a key of a PS/2 keyboard, for so long at most; false if none was pressed. 0: looks
 * whether one was pressed before. */
bool machine_wait_key(unsigned seconds);

/* The processor's name; at least 49 bytes. */
void machine_processor_name(char *name);

#endif
