/* SPDX-License-Identifier: MIT */
/*
 * What a port whose fast path is in assembly takes for granted of Quarry's tables: places of
 * fields, in bytes, and limits, as plain numbers. The other side of each is asserted where it is
 * defined (mm/heap.c).
 */
#ifndef QUARRY_LAYOUT_H
#define QUARRY_LAYOUT_H

/* page_map: where the direct map begins; how many pages have a class byte; where those bytes are.
 */
#define QUARRY_LAYOUT_MAP_START 0
#define QUARRY_LAYOUT_MAP_PAGES 8
#define QUARRY_LAYOUT_MAP_CLASSES 16
#define QUARRY_LAYOUT_PAGE_SHIFT 12

/* size_class_lookup: a byte for each 8 bytes of size, up to this size; size_class_lookup_pages: a
 * byte for each page of size, up to the largest class. */
#define QUARRY_LAYOUT_LOOKUP_BYTES_MAX 32768
#define QUARRY_LAYOUT_CLASS_BYTES_MAX 1048576

/* frames: the highest number that a frame may have. Which of a CPU's stacks holds single frames. */
#define QUARRY_LAYOUT_FRAMES_LAST 0
#define QUARRY_LAYOUT_FRAME_STACK 191

#endif
