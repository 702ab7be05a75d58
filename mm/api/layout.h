/* SPDX-License-Identifier: MIT */
/*
 * What a port whose fast path is in assembly takes for granted of Quarry's tables: places of
 * fields, in bytes, and limits, as plain numbers. The other side of each is asserted where it is
 * defined (mm/api/alloc.c).
 */
#ifndef LAYOUT_H
#define LAYOUT_H

/* page_map: where the direct map begins; how many pages have a class byte; where those bytes are.
 */
#define LAYOUT_MAP_START 0
#define LAYOUT_MAP_PAGES 8
#define LAYOUT_MAP_CACHE_IDS 16
#define LAYOUT_PAGE_SHIFT 12

/* size_class_lookup: a byte for each 8 bytes of size, up to this size; size_class_lookup_pages: a
 * byte for each page of size, up to the largest class. */
#define LAYOUT_LOOKUP_BYTES_MAX 32768
#define LAYOUT_CLASS_BYTES_MAX 1048576

/* frames: the highest number that a frame may have. Which of a CPU's stacks holds single frames. */
#define LAYOUT_FRAMES_LAST 0
#define LAYOUT_FRAME_MAGAZINE 191

#endif
