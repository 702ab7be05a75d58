/* SPDX-License-Identifier: MIT */
/* The layout that a port's assembly relies on, asserted; see layout.h. */
#include "mm/api/layout.h"

#include "mm/frames/frame_cache.h"
#include "mm/frames/frames.h"
#include "mm/objects/size_class.h"
#include "mm/pages/page_map.h"

_Static_assert(offsetof(struct page_map, direct_map) == LAYOUT_MAP_START, "layout.h");
_Static_assert(offsetof(struct page_map, bound) == LAYOUT_MAP_PAGES, "layout.h");
_Static_assert(offsetof(struct page_map, cache_ids) == LAYOUT_MAP_CACHE_IDS, "layout.h");
_Static_assert(sizeof(page_map.cache_ids[0]) == 2, "the fast path loads 16 bits");
_Static_assert(FRAME_SHIFT == LAYOUT_PAGE_SHIFT, "layout.h");
_Static_assert(SIZE_CLASS_LOOKUP_BYTES_MAX == LAYOUT_LOOKUP_BYTES_MAX, "layout.h");
_Static_assert(SIZE_CLASS_BYTES_MAX == LAYOUT_CLASS_BYTES_MAX, "layout.h");
_Static_assert(sizeof(size_class_lookup[0]) == 1, "the fast path loads 8 bits");
_Static_assert(offsetof(struct frames, last_frame) == LAYOUT_FRAMES_LAST, "layout.h");
_Static_assert(FRAME_MAGAZINE == LAYOUT_FRAME_MAGAZINE, "layout.h");
