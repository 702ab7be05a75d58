/* SPDX-License-Identifier: MIT */
/* The table of size classes: every size from 0 to the largest. */
#include <quarry/inline.h>

#include "mm/frames/frame.h"
#include "mm/objects/cache_id.h"
#include "mm/objects/size_class.h"
#include "mm/pages/span.h"
#include "tests/framework/test.h"

TEST(size_class_is_the_smallest_that_holds_each_size)
{
    for (size_t bytes = 0; bytes <= SMALL_BYTES_MAX; bytes++) {
        unsigned size_class = size_class_of(bytes);
        REQUIRE(size_class >= 1 && size_class < SIZE_CLASS_COUNT);
        REQUIRE(size_classes[size_class].bytes >= bytes);
        REQUIRE(size_class == 1 || size_classes[size_class - 1].bytes < bytes);
        size_t waste = size_classes[size_class].bytes - bytes;
        REQUIRE(bytes <= 128 || waste * 8 <= bytes);
    }
    EXPECT(size_class_of(SMALL_BYTES_MAX + 1) == 0 && size_class_of(SIZE_MAX) == 0);
}

TEST(size_class_of_aligned_is_the_smallest_multiple)
{
    for (size_t alignment = 1; alignment <= FRAME_BYTES; alignment *= 2) {
        for (size_t bytes = 0; bytes <= SMALL_BYTES_MAX; bytes += bytes < 600 ? 1 : 61) {
            unsigned size_class = size_class_of_aligned(bytes, alignment);
            REQUIRE(size_class != 0);
            REQUIRE(size_classes[size_class].bytes >= bytes);
            REQUIRE(size_classes[size_class].bytes % alignment == 0);
            for (unsigned other = size_class_of(bytes); other < size_class; other++)
                REQUIRE(size_classes[other].bytes % alignment != 0);
        }
    }
    EXPECT(size_class_of_aligned(1, 8192) == 0);
    EXPECT(size_class_of_aligned(SMALL_BYTES_MAX + 1, 8) == 0);
}

TEST(size_class_table_is_within_its_limits)
{
    for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++) {
        const struct size_class *class = &size_classes[i];
        const struct cache_shape *shape = &cache_shapes[i];
        size_t span = class->span_pages * FRAME_BYTES;
        EXPECT(class->bytes % 8 == 0 && class->bytes > size_classes[i - 1].bytes);
        if (class->bytes <= SIZE_CLASS_LOOKUP_BYTES_MAX) {
            EXPECT(span / class->bytes >= 4 && span / class->bytes <= SPAN_SLOTS_MAX);
            EXPECT(span % class->bytes * 64 <= span);
            EXPECT(shape->batch >= 2 && shape->batch <= CACHE_BATCH_MAX);
        } else {
            EXPECT(span == class->bytes && shape->batch == 1);
        }
        EXPECT(class->span_pages <= 256);
        EXPECT(shape->magazine_first == 2 * shape->batch &&
               shape->magazine_max >= shape->magazine_first);
    }
}

/* The inline functions, for sizes that are constant and that are not. */
TEST(size_class_of_constants_is_the_same)
{
    _Static_assert(QUARRY_CLASS_BYTES_MAX == SIZE_CLASS_BYTES_MAX, "as the table says");
    for (size_t bytes = 0; bytes <= SMALL_BYTES_MAX; bytes++)
        REQUIRE(quarry_class_of(bytes) == size_class_of(bytes));
    test_heap_fresh();
    unsigned char *object = quarry_alloc_inline(100);
    REQUIRE(object != NULL && quarry_usable_size(object) >= 100);
    object[99] = 1;
    quarry_free_inline(object, 100);
    unsigned char *again = quarry_alloc_inline(100);
    EXPECT(QUARRY_HARDEN || again == object);
    quarry_free_inline(again, 100);
    quarry_free_of(quarry_alloc_of(100, quarry_class_of(100)), quarry_class_of(100));
    size_t bytes = 200;
    __asm__ volatile("" : "+r"(bytes));
    quarry_free_inline(quarry_alloc_inline(bytes), bytes);
    quarry_free_inline(quarry_alloc_inline(100000), 100000);
    quarry_verify();
}

TEST(size_class_alignment_is_what_the_api_promises)
{
    static const struct {
        size_t bytes, alignment;
    } expected[] = {{1, 8},   {4, 8},       {8, 8},       {16, 16},   {24, 8}, {48, 16},
                    {64, 64}, {2048, 2048}, {4096, 4096}, {8192, 16}, {100, 8}};
    for (unsigned i = 0; i < sizeof expected / sizeof expected[0]; i++)
        EXPECT(size_class_alignment(expected[i].bytes) == expected[i].alignment);
}
