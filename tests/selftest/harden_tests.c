/* SPDX-License-Identifier: MIT */
/*
 * Levels 1 and 2 of hardening: writes outside an object or after its free, with the expected
 * reports; the random order of slots; the quarantine; leaks.
 */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/guard.h>
#include <quarry/quarry.h>

#include "lib/bits.h"
#include "lib/list.h"
#include "mm/frames/frames.h"
#include "mm/pages/span.h"
#include "tests/framework/platform.h"
#include "tests/framework/test.h"

#define KIB ((size_t)1024)

static bool skip_below(int level)
{
    bool skip = QUARRY_HARDEN < level;
    if (skip)
        test_skip(level == 1 ? "QUARRY_HARDEN is 0" : "QUARRY_HARDEN is below 2");
    return skip;
}

/* One pattern for each level that detects it. */
#define BY_LEVEL(one, two) (QUARRY_HARDEN == 1 ? (one) : (two))

/* ---- programs ---- */

/* 104 bytes fill their slot of 112 up to the canary, so level 1 detects a write to the next byte.
 */
static void write_after_end(void *unused)
{
    (void)unused;
    unsigned char *object = quarry_alloc(104);
    object[104] ^= 0xff;
    quarry_free(object);
}

static void write_last_byte_of_slot(void *unused)
{
    (void)unused;
    unsigned char *object = quarry_alloc(104);
    object[111] ^= 0xff;
    quarry_free(object);
}

/* One byte after the requested size, seven before the canary. */
static void write_one_after_size(void *unused)
{
    (void)unused;
    unsigned char *object = quarry_alloc(97);
    object[97] = 0;
    quarry_free(object);
}

/* Changes only the canary of the object before. */
static void write_before(void *unused)
{
    (void)unused;
    unsigned char *object = quarry_alloc(104);
    while ((uintptr_t)object % QUARRY_FRAME_BYTES ==
           0) /* no canary before the first object of a span */
        object = quarry_alloc(104);
    object[-1] ^= 0xff;
    quarry_free(object);
}

/* The second object of a span: the canary before it belongs to the first. */
static void write_before_the_second(void *unused)
{
    (void)unused;
    unsigned char *object = quarry_alloc(104);
    while ((uintptr_t)object % QUARRY_FRAME_BYTES != 112)
        object = quarry_alloc(104);
    object[-1] ^= 0xff;
    quarry_free(object);
}

/* Changes the canary of a free object. The next allocation of the object detects it. No neighbour
 * is freed, because that would detect it too. */
static void write_after_end_of_freed(void *unused)
{
    static unsigned char *objects[1000];
    (void)unused;
    size_t count = quarry_alloc_batch(104, 1000, (void **)objects);
    unsigned char *object = objects[0];
    quarry_free(object);
    object[104] ^= 0xff;
    for (size_t i = 1; i < count; i++)
        if (objects[i] + QUARRY_FRAME_BYTES < object || objects[i] > object + QUARRY_FRAME_BYTES)
            quarry_free(objects[i]);
    quarry_alloc_batch(104, 1000, (void **)objects);
}

static void write_after_free(void *unused)
{
    (void)unused;
    unsigned char *object = quarry_alloc(104);
    quarry_free(object);
    object[16] = 0x55;
    for (unsigned i = 0; i < 2000; i++) /* so that the object leaves the quarantine */
        quarry_free(quarry_alloc(104));
    quarry_verify();
}

/* The next allocation of the object detects it. */
static void write_after_free_and_allocate(void *unused)
{
    static void *objects[1000];
    (void)unused;
    unsigned char *object = quarry_alloc(104);
    size_t count = quarry_alloc_batch(104, 200, objects);
    quarry_free(object);
    object[0] = 0x55;
    quarry_free_batch(count, objects); /* pushes the object out of the quarantine */
    quarry_alloc_batch(104, 1000, objects);
}

static void write_after_end_of_large(void *unused)
{
    (void)unused;
    unsigned char *object = quarry_alloc(102392);
    object[102392] ^= 0xff;
    quarry_free(object);
}

static void write_to_the_end_of_large(void *unused)
{
    (void)unused;
    unsigned char *object = quarry_alloc(102392);
    object[102399] ^= 0xff;
    quarry_free(object);
}

static void write_one_after_size_of_large(void *unused)
{
    (void)unused;
    unsigned char *object = quarry_alloc(100000);
    object[100000] = 0;
    quarry_free(object);
}

static void write_after_end_and_resize(void *unused)
{
    (void)unused;
    unsigned char *object = quarry_alloc(104);
    object[104] ^= 0xff;
    quarry_realloc(object, 200);
}

static void write_after_end_and_get_size(void *unused)
{
    (void)unused;
    unsigned char *object = quarry_alloc(104);
    object[104] ^= 0xff;
    quarry_usable_size(object);
}

static void write_after_end_of_large_and_get_size(void *unused)
{
    (void)unused;
    unsigned char *object = quarry_alloc(102392);
    object[102392] ^= 0xff;
    quarry_usable_size(object);
}

static void write_after_end_and_verify(void *unused)
{
    (void)unused;
    unsigned char *object = quarry_alloc(104);
    object[104] ^= 0xff;
    quarry_verify();
}

static void get_size_of_freed(void *unused)
{
    (void)unused;
    void *object = quarry_alloc(104);
    quarry_free(object);
    quarry_usable_size(object);
}

static void resize_freed(void *unused)
{
    (void)unused;
    void *object = quarry_alloc(104);
    quarry_free(object);
    quarry_realloc(object, 200);
}

struct program {
    void (*run)(void *unused);
    const char *report;
};

static const struct program programs[] = {
    {write_after_end,
     BY_LEVEL("quarry: overflow: bytes behind an object were overwritten\n"
              "  seen by  free\n"
              "  object   0x*, slot *\n"
              "  byte     0x*, 104 bytes behind its start\n"
              "  span     0x*, 7 pages, class 14 (112 bytes), * of 256 slots allocated\n"
              "  bytes    0x*: * [*] *",
              "quarry: overflow: bytes behind an object were overwritten\n"
              "  seen by  free\n"
              "  object   0x*, slot *\n"
              "  byte     0x*, 104 bytes behind its start\n"
              "  span     0x*, 7 pages, class 14 (112 bytes), * of 256 slots allocated\n"
              "  asked    104 bytes, allocated by 0x*\n"
              "  bytes    0x*: * [*] *")},
    {write_last_byte_of_slot,
     BY_LEVEL(
         "quarry: overflow: *\n  seen by  free\n  object*\n  byte     0x*, 111 bytes behind its "
         "start\n  span*\n  bytes*",
         "quarry: overflow: *\n  seen by  free\n  object*\n  byte     0x*, 111 bytes behind its "
         "start\n  span*\n  asked*\n  bytes*")},
    {write_before,
     BY_LEVEL(
         "quarry: underflow: bytes before an object were overwritten\n  seen by  free\n  object*\n"
         "  byte     0x*, 1 bytes before its start\n  span*\n  bytes*",
         "quarry: underflow: bytes before an object were overwritten\n  seen by  free\n  object*\n"
         "  byte     0x*, 1 bytes before its start\n  span*\n  asked*\n  bytes*")},
    {write_before_the_second,
     BY_LEVEL("quarry: underflow: *\n  seen by  free\n  object   0x*, slot 1\n*\n*\n*",
              "quarry: underflow: *\n  seen by  free\n  object   0x*, slot 1\n*\n*\n*\n*")},
    {write_after_end_of_freed,
     BY_LEVEL("quarry: overflow: *\n  seen by  allocation\n*\n*\n*\n*",
              "quarry: overflow: *\n  seen by  allocation\n*\n*\n*\n*\n*\n*")},
    {write_to_the_end_of_large,
     BY_LEVEL("quarry: overflow: *\n  seen by  free\n*\n*\n*\n  bytes    0x*]",
              "quarry: overflow: *\n  seen by  free\n*\n*\n*\n*\n  bytes    0x*]")},
    {write_after_free,
     BY_LEVEL("quarry: use after free: a freed object was overwritten\n"
              "  seen by  *\n"
              "  object   0x*, slot *\n"
              "  byte     0x*, 16 bytes behind its start\n"
              "  span     0x*, 7 pages, class 14 (112 bytes), * of 256 slots allocated\n"
              "  bytes    0x*: db db db db db db db db [55] db db db db db db db db",
              "quarry: use after free: a freed object was overwritten\n"
              "  seen by  *\n"
              "  object   0x*, slot *\n"
              "  byte     0x*, 16 bytes behind its start\n"
              "  span     0x*, 7 pages, class 14 (112 bytes), * of 256 slots allocated\n"
              "  asked    104 bytes, allocated by 0x*\n"
              "  freed    by 0x*\n"
              "  bytes    0x*: db db db db db db db db [55] db db db db db db db db")},
    {write_after_free_and_allocate,
     BY_LEVEL("quarry: use after free: *\n  seen by  allocation\n  object*\n"
              "  byte     0x*, 0 bytes behind its start\n  span*\n  bytes    0x*[55] db db*",
              "quarry: use after free: *\n  seen by  allocation\n  object*\n"
              "  byte     0x*, 0 bytes behind its start\n  span*\n  asked*\n  freed*\n"
              "  bytes    0x*[55] db db*")},
    {write_after_end_of_large,
     BY_LEVEL("quarry: overflow: *\n  seen by  free\n  object   0x*, slot 0\n"
              "  byte     0x*, 102392 bytes behind its start\n  span     0x*, 25 pages, one large "
              "object\n  bytes*",
              "quarry: overflow: *\n  seen by  free\n  object   0x*, slot 0\n"
              "  byte     0x*, 102392 bytes behind its start\n  span     0x*, 25 pages, one large "
              "object\n  asked    102392 bytes, allocated by 0x*\n  bytes*")},
    {write_after_end_and_resize,
     BY_LEVEL("quarry: overflow: *\n  seen by  realloc\n*\n*\n*\n*",
              "quarry: overflow: *\n  seen by  realloc\n*\n*\n*\n*\n*")},
    {write_after_end_and_get_size,
     BY_LEVEL("quarry: overflow: *\n  seen by  usable size\n*\n*\n*\n*",
              "quarry: overflow: *\n  seen by  usable size\n*\n*\n*\n*\n*")},
    {write_after_end_of_large_and_get_size,
     BY_LEVEL("quarry: overflow: *\n  seen by  usable size\n*\n*\n*\n*",
              "quarry: overflow: *\n  seen by  usable size\n*\n*\n*\n*\n*")},
    {write_after_end_and_verify, BY_LEVEL("quarry: overflow: *\n  seen by  verify\n*\n*\n*\n*",
                                          "quarry: overflow: *\n  seen by  verify\n*\n*\n*\n*\n*")},
    {get_size_of_freed, BY_LEVEL("quarry: bad usable size: double free\n*\n*\n*\n  state    free*",
                                 "quarry: bad usable size: double free\n*\n*\n*\n  state    "
                                 "free*\n  asked*\n  freed*")},
    {resize_freed, BY_LEVEL("quarry: bad realloc: double free\n*\n*\n*\n  state    free*",
                            "quarry: bad realloc: double free\n*\n*\n*\n  state    free*\n"
                            "  asked*\n  freed*")},
};

TEST(harden_detects_overflow_underflow_and_use_after_free)
{
    if (skip_below(1))
        return;
    test_heap_fresh();
    for (unsigned i = 0; i < sizeof programs / sizeof programs[0]; i++)
        test_expect_report(programs[i].run, NULL, programs[i].report);
}

TEST(harden_detects_writes_after_the_requested_size)
{
    if (skip_below(2))
        return;
    test_heap_fresh();
    test_expect_report(write_one_after_size, NULL,
                       "quarry: overflow: bytes behind an object were overwritten\n"
                       "  seen by  free\n"
                       "  object   0x*, slot *\n"
                       "  byte     0x*, 97 bytes behind its start\n"
                       "  span     0x*, 7 pages, class 14 (112 bytes), * of 256 slots allocated\n"
                       "  asked    97 bytes, allocated by 0x*\n"
                       "  bytes    0x*: * [00] fe fe fe fe fe fe *");
    test_expect_report(write_one_after_size_of_large, NULL,
                       "quarry: overflow: *\n  seen by  free\n  object*\n"
                       "  byte     0x*, 100000 bytes behind its start\n  span*\n"
                       "  asked    100000 bytes, allocated by 0x*\n  bytes*");
}

/* Writes to usable bytes are never reported. */
TEST(harden_accepts_correct_writes)
{
    test_heap_fresh();
    for (size_t bytes = 0; bytes < 70 * KIB; bytes = bytes * 9 / 8 + 1) {
        unsigned char *object = quarry_alloc(bytes);
        REQUIRE(object != NULL);
        size_t usable = quarry_usable_size(object);
        EXPECT(usable >= bytes && (QUARRY_HARDEN < 2 || usable == bytes));
        for (size_t i = 0; i < usable; i++)
            object[i] = 0x11;
        object = quarry_realloc(object, bytes + 3);
        usable = quarry_usable_size(object);
        for (size_t i = 0; i < usable; i++)
            object[i] = 0x22;
        quarry_verify();
        quarry_free_sized(object, bytes + 3);
    }
    quarry_verify();
    test_heap_drain();
}

/* ---- the order of slots ---- */

static void heap_with_seed(uint64_t seed)
{
    struct quarry_setup setup;
    platform_setup(&setup);
    platform_forget_caches();
    setup.seed = seed;
    EXPECT(quarry_init(&setup) == QUARRY_OK && quarry_cpu_online(0) == QUARRY_OK);
}

#define BUCKETS 8u
#define HEAPS 400u

/*
 * The first object of a heap has a random slot of its span. Over many seeds it is equally often in
 * each eighth. The sum is chi-squared with 7 degrees of freedom. It exceeds 24.3 for one of a
 * thousand sets of seeds; the seeds are fixed.
 */
TEST(harden_first_slot_is_random)
{
    if (skip_below(1))
        return;
    unsigned counts[BUCKETS] = {0};
    for (unsigned seed = 1; seed <= HEAPS; seed++) {
        heap_with_seed(seed);
        /* 256 slots of 112 bytes are 7 pages, the first pages of an arena. */
        uintptr_t offset = (uintptr_t)quarry_alloc(100) % ((uintptr_t)2 << 20);
        REQUIRE(offset < 7 * QUARRY_FRAME_BYTES);
        counts[offset * BUCKETS / (7 * QUARRY_FRAME_BYTES)]++;
    }
    unsigned expected = HEAPS / BUCKETS;
    unsigned sum = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        unsigned distance = counts[i] > expected ? counts[i] - expected : expected - counts[i];
        sum += distance * distance;
    }
    test_note("chi-squared of the first slot: %u.%02u", sum / expected, sum * 100 / expected % 100);
    EXPECT(sum * 10 / expected < 243);
    test_heap_fresh();
}

/* Two consecutive allocations are rarely neighbours. */
TEST(harden_consecutive_objects_are_rarely_neighbours)
{
    if (skip_below(1))
        return;
    test_heap_fresh();
    static unsigned char *objects[1000];
    unsigned neighbours = 0;
    for (unsigned i = 0; i < 1000; i++) {
        objects[i] = quarry_alloc(120);
        ptrdiff_t distance = i > 0 ? objects[i] - objects[i - 1] : 0;
        neighbours += distance == 128 || distance == -128;
    }
    /* By chance about 2 in 128: 16 of 1000. */
    test_note("%u of 1000 are neighbours of the object before", neighbours);
    EXPECT(neighbours < 60);
    for (unsigned i = 0; i < 1000; i++)
        quarry_free(objects[i]);
}

/* ---- quarantine ---- */

/* The number of frees of other objects until `object` is allocated again. */
static unsigned frees_until_reuse(const void *object, size_t bytes)
{
    unsigned frees = 0;
    for (; frees < 100000; frees++) {
        void *other = quarry_alloc(bytes);
        quarry_free(other);
        if (other == object)
            break;
    }
    return frees;
}

TEST(harden_quarantine_delays_reuse)
{
    if (skip_below(1))
        return;
    test_heap_fresh();
    unsigned soonest = 100000;
    for (unsigned i = 0; i < 50; i++) {
        void *object = quarry_alloc(100);
        quarry_free(object);
        soonest = (unsigned)min_u64(soonest, frees_until_reuse(object, 100));
    }
    test_note("an object is reused after %u frees of other objects at the earliest", soonest);
    EXPECT(soonest >= QUARRY_QUARANTINE_OBJECTS - 1 && soonest < 100000);
    /* Large classes bypass the quarantine. */
    void *object = quarry_alloc(8 * KIB);
    quarry_free(object);
    EXPECT(frees_until_reuse(object, 8 * KIB) < QUARRY_QUARANTINE_OBJECTS);
    quarry_verify();
    test_heap_drain();
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPECT(stats.small_cached_bytes == 0 && stats.arenas == 0);
}

/* Objects in the quarantine count as cached. A CPU that goes offline flushes them. */
TEST(harden_quarantine_is_counted_and_flushed)
{
    if (skip_below(1))
        return;
    test_heap_fresh();
    quarry_free(quarry_alloc(100));
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPECT(stats.small_live_objects == 0 && stats.small_cached_bytes > 0);
    quarry_cpu_offline();
    quarry_scavenge();
    quarry_stats(&stats);
    EXPECT(stats.small_cached_bytes == 0 && stats.arenas == 0);
    quarry_free(quarry_alloc(100)); /* no cache, so no quarantine */
    quarry_scavenge();
    quarry_stats(&stats);
    EXPECT(stats.small_cached_bytes == 0 && stats.arenas == 0);
    EXPECT(quarry_cpu_online(0) == QUARRY_OK);
}

/* ---- leaks ---- */

static __attribute__((__noinline__)) void *allocate_here(size_t bytes)
{
    void *object = quarry_alloc(bytes);
    __asm__ volatile(""
                     :
                     : "r"(object)
                     : "memory"); /* prevents a tail call, so that this function is the caller */
    return object;
}

static __attribute__((__noinline__)) void *allocate_there(size_t bytes)
{
    void *object = quarry_zeroed(bytes);
    __asm__ volatile("" : : "r"(object) : "memory");
    return object;
}

static bool is_inside(const void *instruction, void *(*function)(size_t bytes))
{
    return (uintptr_t)instruction > (uintptr_t)function &&
           (uintptr_t)instruction < (uintptr_t)function + 256;
}

TEST(leaks_are_reported_by_caller)
{
    if (skip_below(2))
        return;
    test_heap_fresh();
    void *before = allocate_here(50);
    size_t mark = quarry_leak_mark();
    EXPECT(mark == 1);
    quarry_free(before);
    test_heap_fresh(); /* resets the marks */
    before = allocate_here(50);
    EXPECT(quarry_leak_mark() == 1);
    mark = quarry_leak_mark();
    EXPECT(mark == 2);
    void *kept[7];
    for (unsigned i = 0; i < 5; i++)
        kept[i] = allocate_here(100);
    kept[5] = allocate_there(300 * KIB);
    kept[6] = allocate_there(20);
    quarry_free(allocate_here(100));
    struct quarry_leak leaks[8];
    size_t count = quarry_leak_report(mark, leaks, 8);
    REQUIRE(count == 2);
    EXPECT(leaks[0].objects == 2 && leaks[0].bytes == 300 * KIB + 20);
    EXPECT(leaks[1].objects == 5 && leaks[1].bytes == 500);
    EXPECT(is_inside(leaks[0].allocated_by, allocate_there));
    EXPECT(is_inside(leaks[1].allocated_by, allocate_here));
    /* Since the start; and with an array of one entry. */
    count = quarry_leak_report(0, leaks, 8);
    EXPECT(count == 2 && leaks[1].objects == 6 && leaks[1].bytes == 550);
    count = quarry_leak_report(mark, leaks, 1);
    EXPECT(count == 1 && leaks[0].objects == 7 && leaks[0].allocated_by == NULL &&
           leaks[0].bytes == 300 * KIB + 20 + 500);
    EXPECT(quarry_leak_report(mark, leaks, 0) == 0);
    for (unsigned i = 0; i < 7; i++)
        quarry_free(kept[i]);
    EXPECT(quarry_leak_report(mark, leaks, 8) == 0);
    EXPECT(quarry_leak_report(quarry_leak_mark(), leaks, 8) == 0);
    quarry_free(before);
}

/* All leaks are found: in first and last slots, and in spans of many lengths. */
TEST(leaks_are_all_counted)
{
    if (skip_below(2))
        return;
    test_heap_fresh();
    static void *kept[3000];
    size_t bytes = 0;
    for (unsigned i = 0; i < 3000; i++) {
        size_t wanted = i % 3 == 0 ? 100 : i % 3 == 1 ? 1500 : i % 99 * 60;
        kept[i] = allocate_here(wanted);
        REQUIRE(kept[i] != NULL);
        bytes += wanted;
    }
    struct quarry_leak leak;
    REQUIRE(quarry_leak_report(0, &leak, 1) == 1);
    EXPECT(leak.objects == 3000 && leak.bytes == bytes);
    quarry_free_batch(3000, kept);
    EXPECT(quarry_leak_report(0, &leak, 1) == 0);
    /* A single page after a gap of one page. */
    test_heap_fresh();
    kept[0] = quarry_alloc(34000); /* nine pages */
    kept[1] = quarry_aligned(8192, 1);
    EXPECT((uintptr_t)kept[1] - (uintptr_t)kept[0] == 10 * (size_t)QUARRY_FRAME_BYTES);
    EXPECT(quarry_leak_report(0, &leak, 1) == 1 && leak.objects == 2);
}

TEST(leaks_are_not_recorded_below_level_2)
{
    struct quarry_leak leak;
    test_heap_fresh();
    void *object = quarry_alloc(10);
    EXPECT(QUARRY_HARDEN == 2 || quarry_leak_report(0, &leak, 1) == 0);
    EXPECT(QUARRY_HARDEN == 2 || quarry_leak_mark() == 0);
    quarry_free(object);
}

/* Memory is filled with 0xff, as on a real machine. A slot that was never allocated has no record.
 */
static void free_unused_slot(void *unused)
{
    (void)unused;
    static uint64_t dirty[256];
    for (unsigned i = 0; i < 256; i++) {
        dirty[i] = quarry_frame_alloc(3);
        quarry_port_fill((void *)(frames.direct_map + dirty[i]), 0xff, 8 * QUARRY_FRAME_BYTES);
    }
    for (unsigned i = 0; i < 256; i++)
        quarry_frame_free(dirty[i], 3);
    struct span *span = span_of_address(quarry_alloc(104));
    for (unsigned slot = 0; slot < span->slots; slot++)
        if (!span_slot_used(span, slot))
            quarry_free((void *)span_slot_address(span, slot));
}

TEST(harden_records_are_initialised)
{
    if (skip_below(2))
        return;
    test_heap_fresh();
    test_expect_stop(free_unused_slot, NULL, "quarry: bad free: pointer that was never allocated");
}
