/* SPDX-License-Identifier: MIT */
/* Boot memory: which range it uses, what it allocates, what it returns to the map. */
#include "lib/bits.h"
#include "mm/frames/boot_memory.h"
#include "mm/frames/frame.h"
#include "tests/framework/test.h"

#define DIRECT_MAP ((uintptr_t)5 << 30)

static struct memory_map map;

/* Three ranges: 100, 20 and 50 frames. */
static void make_map(void)
{
    static const struct quarry_memory_region regions[] = {
        {0x100000, 100 * FRAME_BYTES, QUARRY_MEMORY_USABLE},
        {0x400000, 20 * FRAME_BYTES, QUARRY_MEMORY_USABLE},
        {0x800000, 50 * FRAME_BYTES, QUARRY_MEMORY_USABLE},
    };
    memory_map_import(&map, regions, 3);
}

TEST(boot_memory_is_the_upper_end_of_the_smallest_range)
{
    struct boot_memory boot;
    make_map();
    REQUIRE(boot_memory_open(&boot, &map, DIRECT_MAP, 20 * FRAME_BYTES));
    EXPECT(boot.start == DIRECT_MAP + 0x400000 && boot.end == boot.start + 20 * FRAME_BYTES);
    EXPECT(map.usable.count == 2);
    make_map();
    REQUIRE(boot_memory_open(&boot, &map, DIRECT_MAP, 20 * FRAME_BYTES + 1));
    EXPECT(boot.start == DIRECT_MAP + 0x800000 + 29 * FRAME_BYTES);
    EXPECT(boot.end == DIRECT_MAP + 0x800000 + 50 * FRAME_BYTES);
    make_map();
    REQUIRE(boot_memory_open(&boot, &map, DIRECT_MAP, 100 * FRAME_BYTES));
    EXPECT(boot.start == DIRECT_MAP + 0x100000);
    make_map();
    EXPECT(!boot_memory_open(&boot, &map, DIRECT_MAP, 100 * FRAME_BYTES + 1));
    EXPECT(range_set_count_frames(&map.usable) == 170);
}

TEST(boot_memory_close_returns_the_rest)
{
    struct boot_memory boot;
    make_map();
    REQUIRE(boot_memory_open(&boot, &map, DIRECT_MAP, 20 * FRAME_BYTES));
    uintptr_t first = (uintptr_t)boot_memory_alloc(&boot, 10);
    uintptr_t second = (uintptr_t)boot_memory_alloc(&boot, FRAME_BYTES);
    EXPECT(first == DIRECT_MAP + 0x400000 && second == first + 64);
    EXPECT(boot_memory_close(&boot) == 2 * FRAME_BYTES);
    EXPECT(range_set_count_frames(&map.usable) == 168);
    EXPECT(range_set_contains(&map.usable, 0x402, 0x414) &&
           !range_set_contains(&map.usable, 0x401, 0x402));
}

/* 64 bytes are left. */
static void alloc_too_much(void *unused)
{
    struct boot_memory boot;
    (void)unused;
    make_map();
    boot_memory_open(&boot, &map, DIRECT_MAP, 20 * FRAME_BYTES);
    boot_memory_alloc(&boot, 20 * FRAME_BYTES - 64);
    boot_memory_alloc(&boot, 65);
}

static void alloc_when_full(void *unused)
{
    struct boot_memory boot;
    (void)unused;
    make_map();
    boot_memory_open(&boot, &map, DIRECT_MAP, 20 * FRAME_BYTES);
    boot_memory_alloc(&boot, 20 * FRAME_BYTES);
    boot_memory_alloc(&boot, 1);
}

TEST(boot_memory_stops_at_its_end)
{
    struct boot_memory boot;
    make_map();
    REQUIRE(boot_memory_open(&boot, &map, DIRECT_MAP, 20 * FRAME_BYTES));
    boot_memory_alloc(&boot, 20 * FRAME_BYTES - 64);
    EXPECT((uintptr_t)boot_memory_alloc(&boot, 64) == boot.end - 64);
    boot_memory_alloc(&boot, 0);
    EXPECT(boot_memory_close(&boot) == 20 * FRAME_BYTES);
    test_expect_stop(alloc_too_much, NULL, "boot memory of 81920 bytes is too small for 65 more");
    test_expect_stop(alloc_when_full, NULL, "is too small for 1 more");
}
