/* SPDX-License-Identifier: MIT */
/* Misuse: one small function each, with the expected report. */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "tests/framework/platform.h"
#include "tests/framework/test.h"

/* Level 0 detects some misuse only when caches are flushed. From level 1 on it stops before. */
static void flush(void)
{
    if (QUARRY_HARDEN == 0)
        quarry_scavenge();
}

/* One pattern for each level of hardening. */
#define BY_LEVEL(zero, one, two) (QUARRY_HARDEN == 0 ? (zero) : QUARRY_HARDEN == 1 ? (one) : (two))

static void free_stack_address(void *unused)
{
    (void)unused;
    int here = 0;
    quarry_free(&here);
}

static void free_static_address(void *unused)
{
    static uint64_t here[4];
    (void)unused;
    quarry_free(&here[1]);
}

static void free_wild_address(void *unused)
{
    (void)unused;
    quarry_free((void *)(uintptr_t)0xdeadbeefcafe0008u);
}

static void free_twice(void *unused)
{
    (void)unused;
    void *neighbour = quarry_alloc(100);
    void *object = quarry_alloc(100);
    quarry_free(object);
    quarry_free(object);
    flush();
    quarry_free(neighbour);
}

static void free_interior(void *unused)
{
    (void)unused;
    char *object = quarry_alloc(100);
    quarry_free(object + 8);
    flush();
}

static void free_unaligned(void *unused)
{
    (void)unused;
    char *object = quarry_alloc(100);
    quarry_free(object + 1);
    flush();
}

/* A slot that was never allocated; at level 0 it was not in a cache either. */
static void free_unused_slot(void *unused)
{
    (void)unused;
    if (QUARRY_HARDEN == 0) {
        char *object = quarry_alloc(16);
        quarry_free(object + 3000 * 16);
        flush();
        return;
    }
    char *object = quarry_alloc(24);
    bool in_front = (uintptr_t)object % QUARRY_FRAME_BYTES < QUARRY_FRAME_BYTES / 2;
    quarry_free(in_front ? object + 32 : object - 32);
}

/* Between the two frees other objects are allocated and freed. */
static void free_twice_much_later(void *unused)
{
    static void *others[300];
    (void)unused;
    void *object = quarry_alloc(100);
    void *neighbour = quarry_alloc(100);
    quarry_free(object);
    size_t count = quarry_alloc_batch(5000, 300, others);
    quarry_free_batch(count, others);
    quarry_free(object);
    flush();
    quarry_free(neighbour);
}

static void *shared_object;

static void allocate_and_free_on_cpu_1(void *unused)
{
    (void)unused;
    if (quarry_port_cpu_number() != 1)
        return;
    quarry_cpu_online(1);
    shared_object = quarry_alloc(100);
    quarry_free(shared_object);
}

/* The object is in the cache of another CPU. */
static void free_twice_on_two_cpus(void *unused)
{
    (void)unused;
    platform_run(2, allocate_and_free_on_cpu_1, NULL);
    quarry_free(shared_object);
    quarry_cpu_reap(1);
    flush();
}

static void free_after_realloc_moved_it(void *unused)
{
    (void)unused;
    void *object = quarry_alloc(100);
    void *moved = quarry_realloc(object, 3000);
    quarry_free(object);
    quarry_free(moved);
    flush();
}

static void free_large_twice(void *unused)
{
    (void)unused;
    void *object = quarry_alloc(1100000);
    void *neighbour = quarry_alloc(1100000);
    quarry_free(object);
    quarry_free(object);
    quarry_free(neighbour);
}

/* At level 0 the cache accepts both frees of an object of this size. */
static void free_span_sized_twice(void *unused)
{
    (void)unused;
    void *object = quarry_alloc(100000);
    quarry_free(object);
    quarry_free(object);
    flush();
}

static void free_large_interior(void *unused)
{
    (void)unused;
    char *object = quarry_alloc(1100000);
    quarry_free(object + 8192);
}

static void free_raw_frame(void *unused)
{
    (void)unused;
    struct quarry_setup setup;
    platform_setup(&setup);
    quarry_free((void *)(setup.direct_map + quarry_frame_alloc(0)));
}

static void free_twice_by_batch(void *unused)
{
    (void)unused;
    void *object = quarry_alloc(100);
    void *const twice[] = {object, quarry_alloc(100), NULL, object};
    quarry_free_batch(4, twice);
    flush();
}

static void free_sized_wrongly(void *unused)
{
    (void)unused;
    quarry_free_sized(quarry_alloc(100), 200);
}

static void free_large_sized_wrongly(void *unused)
{
    (void)unused;
    quarry_free_sized(quarry_alloc(1100000), 1060000);
}

static void usable_size_of_freed_large(void *unused)
{
    (void)unused;
    void *object = quarry_alloc(1100000);
    quarry_free(object);
    quarry_usable_size(object);
}

static void realloc_interior(void *unused)
{
    (void)unused;
    char *object = quarry_alloc(64);
    object = quarry_realloc(object + 16, 100);
    quarry_free(object);
}

static void frame_free_of_invalid_address(void *unused)
{
    (void)unused;
    quarry_frame_free(0x123, 0);
}

static void frame_free_twice(void *unused)
{
    (void)unused;
    uint64_t frame = quarry_frame_alloc(2);
    quarry_frame_free(frame, 2);
    quarry_frame_free(frame, 2);
}

static void free_sized_off_by_one(void *unused)
{
    (void)unused;
    quarry_free_sized(quarry_alloc(97), 98); /* the same size class: only level 2 detects it */
}

static void usable_size_of_large_interior(void *unused)
{
    (void)unused;
    quarry_usable_size((char *)quarry_alloc(1100000) + 4096);
}

static void usable_size_of_stack(void *unused)
{
    (void)unused;
    int here = 0;
    quarry_usable_size(&here);
}

static void range_free_twice(void *unused)
{
    (void)unused;
    uint64_t range = quarry_frame_alloc_range(700, 0, 0);
    quarry_frame_free_range(range + 10 * QUARRY_FRAME_BYTES, 600);
    quarry_frame_free_range(range, 700);
}

static void range_free_of_frame_0(void *unused)
{
    (void)unused;
    quarry_frame_free_range(0, 1);
}

static void part_of_a_huge_frame(void *unused)
{
    (void)unused;
    uint64_t huge = quarry_frame_alloc(QUARRY_ORDER_HUGE);
    quarry_frame_free_range(huge + 3 * QUARRY_FRAME_BYTES, 5);
}

static void range_free_beyond_the_end(void *unused)
{
    (void)unused;
    quarry_frame_free_range((uint64_t)1 << 52, 1);
}

static void range_free_of_huge_length(void *unused)
{
    (void)unused;
    quarry_frame_free_range(4096, SIZE_MAX);
}

static void giant_free_of_invalid_address(void *unused)
{
    (void)unused;
    quarry_frame_free((uint64_t)1 << 50, QUARRY_ORDER_GIANT);
}

static void free_small_as_large(void *unused)
{
    (void)unused;
    quarry_free_sized(quarry_alloc(100), 1100000);
}

static void free_large_as_small(void *unused)
{
    (void)unused;
    quarry_free_sized(quarry_alloc(1100000), 100);
}

static void frame_free_unaligned(void *unused)
{
    (void)unused;
    uint64_t frame = quarry_frame_alloc(3);
    quarry_frame_free(frame + QUARRY_FRAME_BYTES, 3);
}

static void frame_free_of_invalid_order(void *unused)
{
    (void)unused;
    quarry_frame_free(quarry_frame_alloc(0), 19);
}

struct misuse {
    void (*run)(void *argument);
    const char *report; /* a pattern: `*` matches any text within a line */
};

static const struct misuse misuses[] = {
    {free_stack_address,
     "quarry: bad free: foreign pointer\n"
     "  address  0x*\n"
     "  state    not in any arena: never allocated by Quarry, or its arena was released"},
    {free_static_address,
     "quarry: bad free: foreign pointer\n"
     "  address  0x*\n"
     "  state    not in any arena: never allocated by Quarry, or its arena was released"},
    {free_wild_address,
     "quarry: bad free: foreign pointer\n"
     "  address  0xdeadbeefcafe0008\n"
     "  state    not in any arena: never allocated by Quarry, or its arena was released"},
    {free_raw_frame,
     "quarry: bad free: foreign pointer\n"
     "  address  0x*\n"
     "  state    not in any arena: never allocated by Quarry, or its arena was released"},
    {free_twice,
     BY_LEVEL("quarry: bad free: double free\n"
              "  address  0x*\n"
              "  span     0x*, 7 pages, class 13 (104 bytes), * of 275 slots allocated\n"
              "  object   0x*, slot *\n"
              "  state    free, address is 0 bytes behind its start",
              "quarry: bad free: double free\n"
              "  address  0x*\n"
              "  span     0x*, 7 pages, class 14 (112 bytes), 32 of 256 slots allocated\n"
              "  object   0x*, slot *\n"
              "  state    free, address is 0 bytes behind its start",
              "quarry: bad free: double free\n"
              "  address  0x*\n"
              "  span     0x*, 7 pages, class 14 (112 bytes), 32 of 256 slots allocated\n"
              "  object   0x*, slot *\n"
              "  state    free, address is 0 bytes behind its start\n"
              "  asked    100 bytes, allocated by 0x*\n"
              "  freed    by 0x*")},
    {free_twice_much_later,
     BY_LEVEL("quarry: bad free: double free\n  address*\n  span*\n  object*\n  state    free*",
              "quarry: bad free: double free\n  address*\n  span*\n  object*\n  state    free*",
              "quarry: bad free: double free\n  address*\n  span*\n  object*\n  state    free*\n"
              "  asked    100 bytes*\n  freed    by 0x*")},
    {free_twice_on_two_cpus,
     BY_LEVEL("quarry: bad free: double free\n  address*\n  span*\n  object*\n  state    free*",
              "quarry: bad free: double free\n  address*\n  span*\n  object*\n  state    free*",
              "quarry: bad free: double free\n  address*\n  span*\n  object*\n  state    free*\n"
              "  asked    100 bytes*\n  freed    by 0x*")},
    {free_twice_by_batch,
     BY_LEVEL("quarry: bad free: double free\n  address*\n  span*\n  object*\n  state    free*",
              "quarry: bad free: double free\n  address*\n  span*\n  object*\n  state    free*",
              "quarry: bad free: double free\n  address*\n  span*\n  object*\n  state    free*\n"
              "  asked    100 bytes*\n  freed    by 0x*")},
    {free_after_realloc_moved_it,
     BY_LEVEL("quarry: bad free: double free\n  address*\n  span*\n  object*\n  state    free*",
              "quarry: bad free: double free\n  address*\n  span*\n  object*\n  state    free*",
              "quarry: bad free: double free\n  address*\n  span*\n  object*\n  state    free*\n"
              "  asked    100 bytes*\n  freed    by 0x*")},
    {free_interior,
     BY_LEVEL("quarry: bad free: interior pointer\n"
              "  address  0x*\n"
              "  span     0x*, 7 pages, class 13 (104 bytes), * of 275 slots allocated\n"
              "  object   0x*, slot *\n"
              "  state    allocated, address is 8 bytes behind its start",
              "quarry: bad free: interior pointer\n"
              "  address  0x*\n"
              "  span     0x*, 7 pages, class 14 (112 bytes), 32 of 256 slots allocated\n"
              "  object   0x*, slot *\n"
              "  state    allocated, address is 8 bytes behind its start",
              "quarry: bad free: interior pointer\n"
              "  address  0x*\n"
              "  span     0x*, 7 pages, class 14 (112 bytes), 32 of 256 slots allocated\n"
              "  object   0x*, slot *\n"
              "  state    allocated, address is 8 bytes behind its start\n"
              "  asked    100 bytes, allocated by 0x*")},
    {free_unaligned,
     BY_LEVEL("quarry: bad free: unaligned pointer\n  address*\n  span*\n  object*\n"
              "  state    allocated, address is 1 bytes behind its start",
              "quarry: bad free: unaligned pointer\n  address*\n  span*\n  object*\n"
              "  state    allocated, address is 1 bytes behind its start",
              "quarry: bad free: unaligned pointer\n  address*\n  span*\n  object*\n"
              "  state    allocated, address is 1 bytes behind its start\n  asked    100 bytes*")},
    {free_unused_slot,
     BY_LEVEL(
         "quarry: bad free: double free\n  address*\n  span*, 15 pages, class 2 (16 bytes), * of "
         "3840 slots allocated\n  object*\n  state    free, address is 0 bytes behind its start",
         "quarry: bad free: double free\n  address*\n  span*\n  object*\n  state    free, *",
         "quarry: bad free: pointer that was never allocated\n  address*\n  span*\n  object*\n"
         "  state    free, address is 0 bytes behind its start")},
    {free_large_twice, "quarry: bad free: pointer to free memory (double free?)\n"
                       "  address  0x*\n"
                       "  arena    0x*\n"
                       "  state    its page is in no span: freed already, or never allocated"},
    {free_large_interior, BY_LEVEL("quarry: bad free: interior pointer\n"
                                   "  address  0x*\n"
                                   "  span     0x*, 269 pages, one large object\n"
                                   "  state    allocated, address is 8192 bytes behind its start",
                                   "quarry: bad free: interior pointer\n"
                                   "  address  0x*\n"
                                   "  span     0x*, 269 pages, one large object\n"
                                   "  state    allocated, address is 8192 bytes behind its start",
                                   "quarry: bad free: interior pointer\n"
                                   "  address  0x*\n"
                                   "  span     0x*, 269 pages, one large object\n"
                                   "  state    allocated, address is 8192 bytes behind its start\n"
                                   "  asked    1100000 bytes, allocated by 0x*")},
    {free_sized_wrongly, BY_LEVEL("quarry: bad sized free: wrong size\n"
                                  "  address  0x*\n"
                                  "  object   104 bytes usable\n"
                                  "  state    allocated; freed as one of 200 bytes",
                                  "quarry: bad sized free: wrong size\n"
                                  "  address  0x*\n"
                                  "  object   104 bytes usable\n"
                                  "  state    allocated; freed as one of 200 bytes",
                                  "quarry: bad sized free: wrong size\n"
                                  "  address  0x*\n"
                                  "  object   100 bytes usable\n"
                                  "  state    allocated; freed as one of 200 bytes")},
    {free_large_sized_wrongly,
     BY_LEVEL("quarry: bad sized free: wrong size\n  address*\n  object   1101824 bytes usable\n"
              "  state    allocated; freed as one of 1060000 bytes",
              "quarry: bad sized free: wrong size\n  address*\n  object   1101816 bytes usable\n"
              "  state    allocated; freed as one of 1060000 bytes",
              "quarry: bad sized free: wrong size\n  address*\n  object   1100000 bytes usable\n"
              "  state    allocated; freed as one of 1060000 bytes")},
    {usable_size_of_freed_large,
     "quarry: bad usable size: pointer to free memory (double free?)\n"
     "  address  0x*\n"
     "  arena    0x*\n"
     "  state    its page is in no span: freed already, or never allocated"},
    {realloc_interior,
     BY_LEVEL(
         "quarry: bad realloc: interior pointer\n  address*\n  span*\n  object*\n  state*16 bytes*",
         "quarry: bad realloc: interior pointer\n  address*\n  span*\n  object*\n  state*16 bytes*",
         "quarry: bad realloc: interior pointer\n  address*\n  span*\n  object*\n  state*16 "
         "bytes*\n"
         "  asked    64 bytes, allocated by 0x*")},
    {usable_size_of_large_interior,
     BY_LEVEL("quarry: bad usable size: interior pointer\n  address*\n  span*\n"
              "  state    allocated, address is 4096 bytes behind its start",
              "quarry: bad usable size: interior pointer\n  address*\n  span*\n"
              "  state    allocated, address is 4096 bytes behind its start",
              "quarry: bad usable size: interior pointer\n  address*\n  span*\n"
              "  state    allocated, address is 4096 bytes behind its start\n  asked*")},
    {usable_size_of_stack, "quarry: bad usable size: foreign pointer\n  address*\n  state*"},
    {range_free_twice, "quarry: double free of * frames at 0x*: the frame at 0x* is free already"},
    {range_free_of_frame_0, "quarry: bad free of 1 frames at 0*: not Quarry's memory"},
    {part_of_a_huge_frame,
     "quarry: bad free of 5 frames at 0x*: part of the huge frame at 0x*00000"},
    {range_free_beyond_the_end, "quarry: bad free of 1 frames at 0x10000000000000: no such frames"},
    {range_free_of_huge_length,
     "quarry: bad free of 18446744073709551615 frames at 0x1000: no such frames"},
    {giant_free_of_invalid_address,
     "quarry: bad free of 262144 frames at 0x4000000000000: no such frames"},
    {free_small_as_large, "quarry: bad sized free: wrong size\n  address*\n  object*\n"
                          "  state    allocated; freed as one of 1100000 bytes"},
    {free_large_as_small, "quarry: bad sized free: wrong size\n  address*\n  object*\n"
                          "  state    allocated; freed as one of 100 bytes"},
    {frame_free_unaligned, "quarry: bad free of 8 frames at 0x*: not aligned to their size"},
    {frame_free_of_invalid_order, "quarry: bad free of the frame at 0x*: order 19"},
    {frame_free_of_invalid_address, "quarry: bad free of 1 frames at 0x123: no such frames"},
    {frame_free_twice, "quarry: double free of 4 frames at 0x*: the frame at 0x* is free already"},
};

TEST(misuse_stops_with_a_complete_report)
{
    test_heap_fresh();
    for (unsigned i = 0; i < sizeof misuses / sizeof misuses[0]; i++)
        if (misuses[i].run != free_twice_on_two_cpus || platform_cpu_count() >= 2)
            test_expect_report(misuses[i].run, NULL, misuses[i].report);
    if (QUARRY_HARDEN == 2)
        test_expect_report(free_sized_off_by_one, NULL,
                           "quarry: bad sized free: wrong size\n  address*\n"
                           "  object   97 bytes usable\n"
                           "  state    allocated; freed as one of 98 bytes");
}

/* Detected when a batch contains both frees, or when the span is freed, depending on the cache's
 * size. */
TEST(misuse_of_a_span_sized_object_is_detected)
{
    test_heap_fresh();
    test_expect_stop(free_span_sized_twice, NULL, "quarry: bad free: \ndouble free\naddress");
}
