/* SPDX-License-Identifier: MIT */
/* The public API: objects, sizes, alignment, zeroing, resizing, batches. */
#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "lib/bits.h"
#include "lib/random.h"
#include "tests/framework/test.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static void fill(void *object, size_t bytes, unsigned seed)
{
    quarry_port_fill(object, (unsigned char)(seed * 37 + 11), bytes);
}

static bool is_filled(const void *object, size_t bytes, unsigned seed)
{
    const unsigned char *byte = object;
    for (size_t i = 0; i < bytes; i++)
        if (byte[i] != (unsigned char)(seed * 37 + 11))
            return false;
    return true;
}

/* Many sizes, all live at the same time: no overlap, the documented alignment. */
TEST(alloc_small_sizes)
{
    test_heap_fresh();
    static void *objects[3000];
    for (unsigned i = 0; i < 3000; i++) {
        size_t bytes = i < 1500 ? i : i * 11;
        objects[i] = quarry_alloc(bytes);
        REQUIRE(objects[i] != NULL);
        uintptr_t address = (uintptr_t)objects[i];
        REQUIRE(address % 8 == 0 && (bytes % 16 != 0 || bytes == 0 || address % 16 == 0));
        REQUIRE(!is_power_of_two(bytes) || bytes > 4096 || address % bytes == 0);
        REQUIRE(quarry_usable_size(objects[i]) >= bytes);
        fill(objects[i], bytes, i);
    }
    quarry_verify();
    for (unsigned i = 0; i < 3000; i++) {
        size_t bytes = i < 1500 ? i : i * 11;
        REQUIRE(is_filled(objects[i], bytes, i));
        if (i % 2 != 0)
            quarry_free(objects[i]);
        else
            quarry_free_sized(objects[i], bytes);
    }
    test_heap_drain();
    quarry_verify();
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPECT(stats.small_live_objects == 0 && stats.large_live_objects == 0 && stats.arenas == 0);
}

TEST(alloc_zero_bytes_gives_a_unique_object)
{
    test_heap_fresh();
    void *one = quarry_alloc(0);
    void *two = quarry_alloc(0);
    EXPECT(one != NULL && two != NULL && one != two);
    quarry_free_sized(one, 0);
    quarry_free(two);
    quarry_free(NULL);
    quarry_free_sized(NULL, 17);
    EXPECT(quarry_usable_size(NULL) == 0);
    void *large = quarry_aligned(64 * KIB, 0);
    EXPECT(large != NULL && (uintptr_t)large % (64 * KIB) == 0);
    quarry_free(large);
}

TEST(alloc_zeroed_clears_used_memory)
{
    test_heap_fresh();
    for (size_t bytes = 1; bytes < 3 * MIB; bytes = bytes * 3 + 1) {
        void *dirty = quarry_alloc(bytes);
        REQUIRE(dirty != NULL);
        fill(dirty, bytes, 5);
        quarry_free(dirty);
        unsigned char *clean = quarry_zeroed(bytes);
        REQUIRE(clean != NULL);
        size_t sum = 0;
        for (size_t i = 0; i < bytes; i++)
            sum += clean[i];
        REQUIRE(sum == 0);
        quarry_free(clean);
    }
}

TEST(calloc_fails_on_overflow)
{
    test_heap_fresh();
    EXPECT(quarry_calloc(SIZE_MAX / 2, 3) == NULL);
    EXPECT(quarry_calloc((size_t)1 << 32, (size_t)1 << 32) == NULL);
    unsigned char *array = quarry_calloc(100, 30);
    REQUIRE(array != NULL && quarry_usable_size(array) >= 3000 && array[2999] == 0);
    quarry_free_sized(array, 3000);
    void *none = quarry_calloc(0, 8);
    EXPECT(none != NULL);
    quarry_free(none);
}

TEST(alloc_aligned_to_every_power_of_two)
{
    test_heap_fresh();
    for (size_t alignment = 1; alignment <= 16 * MIB; alignment *= 2) {
        static const size_t sizes[] = {1, 24, 100, 4096, 5000, 40000, 3 * MIB};
        for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            void *object = quarry_aligned(alignment, sizes[i]);
            REQUIRE(object != NULL && (uintptr_t)object % alignment == 0);
            fill(object, sizes[i], i);
            quarry_free(object);
        }
    }
    EXPECT(quarry_aligned(0, 8) == NULL && quarry_aligned(24, 8) == NULL);
    EXPECT(quarry_aligned((size_t)1 << 31, 8) == NULL);
    EXPECT(quarry_aligned(4096, SIZE_MAX) == NULL && quarry_aligned(1, SIZE_MAX - 5000) == NULL);
    quarry_verify();
}

TEST(alloc_fails_for_huge_sizes)
{
    test_heap_fresh();
    EXPECT(quarry_zeroed((size_t)1 << 60) == NULL && quarry_calloc(1, (size_t)1 << 60) == NULL);
    EXPECT(quarry_alloc_with((size_t)1 << 60, QUARRY_ZEROED) == NULL);
    EXPECT(quarry_alloc(SIZE_MAX) == NULL && quarry_alloc(SIZE_MAX - 4096) == NULL);
    EXPECT(quarry_alloc((size_t)1 << 60) == NULL && quarry_zeroed((size_t)1 << 52) == NULL);
    EXPECT(quarry_realloc(NULL, SIZE_MAX) == NULL);
    quarry_verify();
}

/* Writes one byte at each end, which is enough to find unmapped memory. */
static bool can_alloc(size_t bytes)
{
    unsigned char *object = quarry_alloc(bytes);
    if (object == NULL)
        return false;
    object[0] = 1;
    object[bytes - 1] = 2;
    EXPECT(quarry_usable_size(object) >= bytes);
    quarry_verify();
    quarry_free_sized(object, bytes);
    return true;
}

TEST(alloc_large_up_to_the_largest_contiguous_range)
{
    test_heap_fresh();
    size_t frames_before = quarry_frame_free_count();
    size_t low = 1;
    size_t high = (size_t)1 << 40;
    while (high - low > 4096) {
        size_t middle = low + (high - low) / 2;
        if (can_alloc(middle))
            low = middle;
        else
            high = middle;
    }
    EXPECT(low >= frames_before * 4096 / 4);
    test_heap_drain();
    quarry_verify();
    EXPECT(quarry_frame_free_count() == frames_before);
}

/* ---- realloc ---- */

/* Different in every round, so that old contents of the memory do not match. */
static unsigned char pattern(size_t i, unsigned round)
{
    return (unsigned char)((i >> 3) + round * 7);
}

TEST(realloc_keeps_contents)
{
    test_heap_fresh();
    struct random random = random_seeded(11);
    unsigned char *object = quarry_alloc(1);
    REQUIRE(object != NULL);
    size_t old = 1;
    object[0] = 0;
    for (unsigned round = 0; round < 300; round++) {
        size_t bytes = 1 + random_below(&random, round % 10 == 0 ? 3 * MIB : 60 * KIB);
        unsigned char *grown = quarry_realloc(object, bytes);
        REQUIRE(grown != NULL && quarry_usable_size(grown) >= bytes);
        object = grown;
        size_t kept = min_u64(old, bytes);
        for (size_t i = 0; i < kept; i += 61)
            REQUIRE(object[i] == pattern(i, round));
        REQUIRE(object[kept - 1] == pattern(kept - 1, round));
        for (size_t i = 0; i < bytes; i++)
            object[i] = pattern(i, round + 1);
        old = bytes;
    }
    quarry_free_sized(object, old);
    quarry_verify();
}

TEST(realloc_grows_large_objects_in_place)
{
    test_heap_fresh();
    size_t most = min_u64(quarry_frame_free_count() * 4096 / 8, 16 * MIB);
    char *object = quarry_alloc(1100 * KIB);
    REQUIRE(object != NULL);
    for (size_t bytes = 2200 * KIB; bytes <= most; bytes *= 2) {
        object[bytes / 2 - 1] = 77;
        REQUIRE(quarry_realloc(object, bytes) == object);
        REQUIRE(object[bytes / 2 - 1] == 77 && quarry_usable_size(object) >= bytes);
    }
    EXPECT(quarry_realloc(object, 1200 * KIB) == object);
    EXPECT(quarry_usable_size(object) >= 1200 * KIB && quarry_usable_size(object) < 1205 * KIB);
    quarry_free_sized(object, 1200 * KIB);
    test_heap_drain();
    quarry_verify();
}

TEST(realloc_of_null_and_to_zero_bytes)
{
    test_heap_fresh();
    char *object = quarry_realloc(NULL, 50);
    REQUIRE(object != NULL);
    object = quarry_realloc(object, 0);
    EXPECT(object != NULL && quarry_usable_size(object) <= 8);
    quarry_free(object);
}

/* ---- batches ---- */

TEST(batch_alloc_and_free)
{
    test_heap_fresh();
    static void *objects[1000];
    static const size_t sizes[] = {8, 48, 1024, 32768, 50000};
    for (unsigned s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        size_t count = sizes[s] > 4096 ? 50 : 1000;
        REQUIRE(quarry_alloc_batch(sizes[s], count, objects) == count);
        for (size_t i = 0; i < count; i++)
            fill(objects[i], sizes[s], (unsigned)i);
        for (size_t i = 0; i < count; i++)
            REQUIRE(is_filled(objects[i], sizes[s], (unsigned)i));
        objects[7] = (quarry_free(objects[7]), NULL);
        quarry_free_batch(count, objects);
    }
    EXPECT(quarry_alloc_batch(64, 0, objects) == 0);
    quarry_free_batch(0, objects);
    test_heap_drain();
    quarry_verify();
}
