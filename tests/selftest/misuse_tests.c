/* SPDX-License-Identifier: MIT */
/* Misuse, one small program each, and the report that it must bring. */
#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "tests/framework/platform.h"
#include "tests/framework/test.h"

/* What caches hold back is looked at when they are emptied. */
static void flush(void)
{
    quarry_scavenge();
}

static void free_stack_address(void *unused)
{
    (void)unused;
    int here = 0;
    quarry_free(&here);
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

/* A slot of a span that no cache has had yet. */
static void free_never_given(void *unused)
{
    (void)unused;
    char *object = quarry_alloc(16);
    quarry_free(object + 3000 * 16);
    flush();
}

static void free_large_twice(void *unused)
{
    (void)unused;
    void *object = quarry_alloc(100000);
    void *neighbour = quarry_alloc(100000);
    quarry_free(object);
    quarry_free(object);
    quarry_free(neighbour);
}

static void free_large_interior(void *unused)
{
    (void)unused;
    char *object = quarry_alloc(100000);
    quarry_free(object + 8192);
}

static void free_raw_frame(void *unused)
{
    (void)unused;
    struct quarry_setup setup;
    platform_setup(&setup);
    quarry_free((void *)(setup.direct_map + quarry_frame_alloc(0)));
}

static void free_sized_wrongly(void *unused)
{
    (void)unused;
    quarry_free_sized(quarry_alloc(100), 200);
}

static void free_large_sized_wrongly(void *unused)
{
    (void)unused;
    quarry_free_sized(quarry_alloc(100000), 90000);
}

static void usable_size_of_freed_large(void *unused)
{
    (void)unused;
    void *object = quarry_alloc(100000);
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

static void frame_free_of_nonsense(void *unused)
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

struct misuse {
    void (*program)(void *argument);
    const char *report;
};

static const struct misuse misuses[] = {
    {free_stack_address, "bad free: foreign pointer\naddress  0x\nnot in any arena"},
    {free_wild_address, "bad free: foreign pointer\naddress  0xdeadbeefcafe0008"},
    {free_twice, "bad free: double free\nspan     0x\nclass 13 (104 bytes)\nslot\nstate    free"},
    {free_interior,
     "bad free: interior pointer\nclass 13 (104 bytes)\nhanded out, address is 8 bytes behind"},
    {free_unaligned, "bad free: unaligned pointer\nis 1 bytes behind its start"},
    {free_never_given, "bad free: double free\nclass 2 (16 bytes)\nstate    free"},
    {free_raw_frame, "bad free: foreign pointer"},
    {free_large_twice, "bad free: pointer to free memory (double free?)\narena"},
    {free_large_interior,
     "bad free: interior pointer\n25 pages, one large object\nallocated, address is 8192 bytes"},
    {free_sized_wrongly, "bad sized free: wrong size\n104 bytes usable\none of 200 bytes"},
    {free_large_sized_wrongly, "bad sized free: wrong size\n102400 bytes usable"},
    {usable_size_of_freed_large, "bad usable size: pointer to free memory"},
    {realloc_interior, "bad realloc: interior pointer\nclass 8 (64 bytes)"},
    {frame_free_of_nonsense, "bad free of 1 frames at 0x123: no such frames"},
    {frame_free_twice, "double free of 4 frames at 0x"},
};

TEST(misuse_stops_with_what_where_and_which_object)
{
    test_heap_fresh();
    for (unsigned i = 0; i < sizeof misuses / sizeof misuses[0]; i++)
        test_expect_stop(misuses[i].program, NULL, misuses[i].report);
}
