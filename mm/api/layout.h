/* SPDX-License-Identifier: MIT */
/*
 * What a port's fast path in assembly knows of Quarry's tables: offsets of fields in bytes, and
 * limits, as plain numbers that an assembler reads. layout.c asserts each of them.
 */
#ifndef MM_API_LAYOUT_H
#define MM_API_LAYOUT_H

#include <quarry/port.h>

/* page_map: the address of the direct map, the number of pages with an id, the ids (16 bits
 * each). */
#define LAYOUT_MAP_START 0
#define LAYOUT_MAP_PAGES 8
#define LAYOUT_MAP_CACHE_IDS 16
#define LAYOUT_PAGE_SHIFT 12

/* size_class_lookup has a byte for each 8 bytes of size, up to this size. size_class_lookup_pages
 * has a byte for each page of size, up to the largest class. */
#define LAYOUT_LOOKUP_BYTES_MAX 32768
#define LAYOUT_CLASS_BYTES_MAX 1048576

/* frames: the highest number that a frame may have. The magazine of single frames. */
#define LAYOUT_FRAMES_LAST 0
#define LAYOUT_FRAME_MAGAZINE (QUARRY_PLAIN_CACHES + QUARRY_EXTRA_CACHES)

#endif
