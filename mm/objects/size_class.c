/* SPDX-License-Identifier: MIT */
/* The table of size classes; see size_class.h. */
#include "mm/objects/size_class.h"

#include "mm/debug/harden.h"

#define ROW(class, size, pages, objects) [class] = {.bytes = (size), .span_pages = (pages)},

_Static_assert(SIZE_CLASS_COUNT <= UINT8_MAX + 1, "the lookup tables have a byte per class");

const struct size_class size_classes[SIZE_CLASS_COUNT] = {SIZE_CLASS_TABLE(ROW)};

const uint8_t size_class_lookup[] = {SIZE_CLASS_LOOKUP};
const uint8_t size_class_lookup_pages[] = {SIZE_CLASS_LOOKUP_PAGES};

unsigned size_class_of_aligned(size_t bytes, size_t alignment)
{
    if (alignment > FRAME_BYTES || bytes > SMALL_BYTES_MAX)
        return 0;
    unsigned size_class = size_class_of(bytes);
    /* The loop ends: the largest class is a multiple of any such alignment. */
    while (size_classes[size_class].bytes % alignment != 0)
        size_class++;
    return size_class;
}

size_t size_class_alignment(size_t bytes)
{
    if (is_power_of_two(bytes) && bytes <= FRAME_BYTES)
        return max_u64(bytes, 8);
    return bytes % 16 == 0 ? 16 : 8;
}

#if QUARRY_HARDEN
unsigned size_class_with_canary(size_t bytes)
{
    if (bytes > SMALL_BYTES_MAX - HARDEN_TAIL_BYTES)
        return 0;
    return size_class_of_aligned(bytes + HARDEN_TAIL_BYTES, size_class_alignment(bytes));
}
#endif
