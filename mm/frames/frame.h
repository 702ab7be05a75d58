/* SPDX-License-Identifier: MIT */
/*
 * Frame numbers. Inside mm/ a frame is named by its number, physical address / 4096, and a count of
 * frames is a size_t. Addresses appear only in the public API and in the direct map.
 */
#ifndef MM_FRAMES_FRAME_H
#define MM_FRAMES_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include <quarry/config.h>

#define FRAME_SHIFT 12u
#define FRAME_BYTES ((size_t)1 << FRAME_SHIFT)

/* Frame 0 is never allocated: its number means "none". */
#define NO_FRAME ((size_t)0)

/* A child: 2 MiB, one huge frame, one bitmap of 512 bits. */
#define CHILD_SHIFT 9u
#define CHILD_FRAMES ((size_t)1 << CHILD_SHIFT)

/* A tree: what one CPU reserves. */
#define TREE_FRAMES (CHILD_FRAMES * QUARRY_TREE_CHILDREN)

/* Physical addresses have at most 52 bits (x86-64, AArch64 with LPA2). */
#define FRAMES_MAX ((size_t)1 << (52 - FRAME_SHIFT))

_Static_assert(sizeof(size_t) == 8, "Quarry is for 64-bit machines");

#endif
