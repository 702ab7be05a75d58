/* SPDX-License-Identifier: MIT */
/* The vectors of the harness's interrupts. */
#ifndef BOOT_X86_64_VECTORS_H
#define BOOT_X86_64_VECTORS_H

#define VECTOR_TIMER 0x40u
#define VECTOR_DRAIN 0x41u
#define VECTOR_WAKE 0x42u
#define VECTOR_SPURIOUS 0xffu

#endif
