/* SPDX-License-Identifier: MIT */
/* Sampled guard pages: faults, checks when an object is freed, and the reports. */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/guard.h>
#include <quarry/quarry.h>

#include "lib/atomic.h"
#include "mm/debug/guard_pages.h"
#include "tests/framework/platform.h"
#include "tests/framework/test.h"

/* Only cache misses are sampled. The CPU goes offline, so that every allocation misses. */
static void start(unsigned every)
{
    EXPECT(quarry_guard_start(every) == QUARRY_OK);
    quarry_cpu_offline();
}

static void stop(void)
{
    quarry_guard_stop();
    EXPECT(quarry_cpu_online(0) == QUARRY_OK);
}

/* A guarded object at the end of its page or at its start. */
static unsigned char *guarded(size_t bytes, bool at_end)
{
    for (;;) {
        unsigned char *object = quarry_alloc(bytes);
        bool is_at_end = ((uintptr_t)object + bytes) % QUARRY_FRAME_BYTES == 0;
        bool is_at_start = (uintptr_t)object % QUARRY_FRAME_BYTES == 0;
        if (at_end ? is_at_end : is_at_start)
            return object;
        quarry_free(object);
    }
}

static void touch(const volatile unsigned char *byte)
{
    (void)*byte;
}

static uintptr_t guard_page(unsigned number)
{
    return guard_pages.base + number * QUARRY_FRAME_BYTES;
}

/* ---- programs ---- */

static void read_after_free(void *unused)
{
    (void)unused;
    start(1);
    unsigned char *object = guarded(100, false);
    quarry_free(object);
    touch(object + 4);
}

static void write_after_free(void *unused)
{
    (void)unused;
    start(1);
    volatile unsigned char *object = guarded(100, false);
    quarry_free((void *)object);
    object[99] = 1;
}

static void read_first_after_free(void *unused)
{
    (void)unused;
    start(1);
    unsigned char *object = guarded(100, false);
    quarry_free(object);
    touch(object);
}

static void read_after_end(void *unused)
{
    (void)unused;
    start(1);
    touch(guarded(64, true) + 64);
}

static void write_before(void *unused)
{
    (void)unused;
    start(1);
    volatile unsigned char *object = guarded(64, false);
    object[-1] = 1;
}

/* A write between the object's end and the page's end does not fault. The free detects it. */
static void write_gap_after(void *unused)
{
    (void)unused;
    start(1);
    unsigned char *object = guarded(100, false);
    object[100] = 1;
    quarry_free(object);
}

static void write_gap_before(void *unused)
{
    (void)unused;
    start(1);
    unsigned char *object = guarded(64, true);
    object[-3] = 1;
    quarry_free(object);
}

static void write_last_byte_of_page(void *unused)
{
    (void)unused;
    start(1);
    unsigned char *object = guarded(100, false);
    object[QUARRY_FRAME_BYTES - 1] = 1;
    quarry_free(object);
}

static void free_interior_of_freed(void *unused)
{
    (void)unused;
    start(1);
    unsigned char *object = guarded(100, false);
    quarry_free(object);
    quarry_free(object + 8);
}

static void free_twice(void *unused)
{
    (void)unused;
    start(1);
    unsigned char *object = guarded(100, false);
    quarry_free(object);
    quarry_free(object);
}

static void free_interior(void *unused)
{
    (void)unused;
    start(1);
    quarry_free(guarded(100, false) + 8);
}

static void free_sized_wrongly(void *unused)
{
    (void)unused;
    start(1);
    quarry_free_sized(guarded(100, false), 101);
}

static void resize_freed(void *unused)
{
    (void)unused;
    start(1);
    unsigned char *object = guarded(100, false);
    quarry_free(object);
    quarry_realloc(object, 10);
}

struct program {
    void (*run)(void *unused);
    const char *report;
};

static const struct program programs[] = {
    {read_after_free, "quarry: use after free: read of 0x\n"
                      "  by       the instruction at 0x\n"
                      ", 100 bytes, guarded, freed\n"
                      "  place    4 bytes behind its start\n"
                      "  allocated by\n    0x\n  freed by\n    0x"},
    {write_after_free, "quarry: use after free: write to 0x\n"
                       "  by       the instruction at 0x\n"
                       ", 100 bytes, guarded, freed\n"
                       "  place    99 bytes behind its start\n"
                       "  allocated by\n    0x\n  freed by\n    0x"},
    {read_first_after_free, "quarry: use after free: read of 0x\n"
                            "  place    0 bytes behind its start\n"
                            "  allocated by\n    0x\n  freed by\n    0x"},
    {read_after_end, "quarry: overflow: read of 0x\n"
                     "  by       the instruction at 0x\n"
                     ", 64 bytes, guarded, allocated\n"
                     "  place    64 bytes behind its start\n"
                     "  allocated by\n    0x"},
    {write_before, "quarry: underflow: write to 0x\n"
                   ", 64 bytes, guarded, allocated\n"
                   "  place    1 bytes before its start\n"
                   "  allocated by\n    0x"},
    {write_gap_after, "quarry: overflow: bytes were written at 0x\n"
                      ", 100 bytes, guarded, allocated\n"
                      "  place    100 bytes behind its start\n"
                      "  allocated by\n    0x\n"
                      "  bytes    0x\n[01] ca ca"},
    {write_gap_before, "quarry: underflow: bytes were written at 0x\n"
                       "  place    3 bytes before its start\n"
                       "[01] ca ca"},
    {write_last_byte_of_page, "quarry: overflow: bytes were written at 0x\n"
                              "  place    4095 bytes behind its start\n"
                              "ca [01]"},
    {free_interior_of_freed, "quarry: bad free: no guarded object begins there\n"
                             ", 100 bytes, guarded, freed\n"},
    {free_twice, "quarry: bad free: double free\n"
                 "  address  0x\n"
                 ", 100 bytes, guarded, freed\n"
                 "  allocated by\n    0x\n  freed by\n    0x"},
    {free_interior, "quarry: bad free: no guarded object begins there\n"
                    ", 100 bytes, guarded, allocated\n"
                    "  allocated by\n    0x"},
    {free_sized_wrongly, "quarry: bad sized free: wrong size\n"
                         "100 bytes usable\nfreed as one of 101 bytes"},
    {resize_freed, "quarry: bad realloc: double free\n, 100 bytes, guarded, freed"},
};

TEST(guard_pages_detect_misuse)
{
    test_heap_fresh();
    for (unsigned i = 0; i < sizeof programs / sizeof programs[0]; i++)
        test_expect_stop(programs[i].run, NULL, programs[i].report);
}

TEST(guard_pages_objects_support_the_whole_api)
{
    test_heap_fresh();
    start(1);
    struct quarry_stats stats;
    for (size_t bytes = 0; bytes <= 4096; bytes += 61) {
        unsigned char *object = quarry_alloc(bytes);
        REQUIRE(object != NULL && guard_pages_have(object));
        EXPECT(quarry_usable_size(object) == bytes);
        EXPECT((uintptr_t)object % (bytes % 16 == 0 && bytes > 0 ? 16 : 8) == 0);
        for (size_t i = 0; i < bytes; i++)
            object[i] = (unsigned char)i;
        object = quarry_realloc(object, bytes + 100);
        REQUIRE(object != NULL);
        bool same = true;
        for (size_t i = 0; i < bytes; i++)
            same = same && object[i] == (unsigned char)i;
        EXPECT(same);
        quarry_stats(&stats);
        EXPECT(stats.guarded_live_objects == (bytes + 100 <= 4096));
        quarry_free_sized(object, bytes + 100);
    }
    void *page = quarry_alloc(4096);
    EXPECT(guard_pages_have(page) && (uintptr_t)page % 4096 == 0);
    void *zeroed = quarry_zeroed(100);
    EXPECT(guard_pages_have(zeroed) && *(unsigned char *)zeroed == 0);
    void *const both[] = {page, zeroed};
    quarry_free_batch(2, both);
    EXPECT(!guard_pages_have(quarry_alloc(4097)));
    for (unsigned i = 0; i < 20; i++) {
        void *aligned = quarry_aligned(256, 10);
        EXPECT(guard_pages_have(aligned) && (uintptr_t)aligned % 256 == 0);
        quarry_free(aligned);
    }
    quarry_stats(&stats);
    EXPECT(stats.guarded_live_objects == 0);
    quarry_verify();
    stop();
}

/* A sampled object has only the bytes of the request, and the old object has more. */
TEST(guard_pages_realloc_copies_no_more_than_the_request)
{
    static const size_t sizes[] = {0, 1, 100, 3600, 4095, 4096};
    test_heap_fresh();
    start(1);
    for (unsigned round = 0; round < 60; round++) {
        size_t bytes = sizes[round % (sizeof sizes / sizeof sizes[0])];
        unsigned char *object = quarry_alloc(12000);
        REQUIRE(object != NULL && !guard_pages_have(object));
        for (size_t i = 0; i < 12000; i++)
            object[i] = (unsigned char)(i + round);
        object = quarry_realloc(object, bytes);
        REQUIRE(object != NULL && guard_pages_have(object));
        bool same = true;
        for (size_t i = 0; i < bytes; i++)
            same = same && object[i] == (unsigned char)(i + round);
        EXPECT(same);
        quarry_free(object); /* stops if bytes beside the object were written */
    }
    stop();
}

static void read_freed_object_of_zero_bytes(void *unused)
{
    (void)unused;
    start(1);
    unsigned char *object = quarry_alloc(0);
    quarry_free(object);
    touch((unsigned char *)((uintptr_t)object & ~(uintptr_t)(QUARRY_FRAME_BYTES - 1)));
}

TEST(guard_pages_object_of_zero_bytes_is_on_its_own_page)
{
    test_heap_fresh();
    start(1);
    for (unsigned i = 0; i < 20; i++) {
        void *object = quarry_alloc(0);
        REQUIRE(guard_pages_have(object) && quarry_usable_size(object) == 0);
        EXPECT(((uintptr_t)object - guard_pages.base) / QUARRY_FRAME_BYTES % 2 == 1);
        quarry_free(object);
    }
    stop();
    for (unsigned i = 0; i < 4; i++)
        test_expect_stop(read_freed_object_of_zero_bytes, NULL, "quarry: use after free: read of");
}

/* If all places are in use, allocations are not guarded. Places are reused in the order of frees.
 */
TEST(guard_pages_are_reused_in_order)
{
    test_heap_fresh();
    start(1);
    static void *objects[QUARRY_GUARD_OBJECTS + 1];
    for (unsigned i = 0; i <= QUARRY_GUARD_OBJECTS; i++) {
        objects[i] = quarry_alloc(100);
        REQUIRE(objects[i] != NULL);
        EXPECT(guard_pages_have(objects[i]) == (i < QUARRY_GUARD_OBJECTS));
    }
    for (unsigned i = 0; i <= QUARRY_GUARD_OBJECTS; i++)
        quarry_free(objects[(i + 5) % (QUARRY_GUARD_OBJECTS + 1)]);
    for (unsigned i = 0; i < QUARRY_GUARD_OBJECTS; i++) {
        const void *again = quarry_alloc(100);
        const void *first = objects[(i + 5) % (QUARRY_GUARD_OBJECTS + 1)];
        if (i < QUARRY_GUARD_OBJECTS - 5)
            EXPECT((uintptr_t)again / 4096 == (uintptr_t)first / 4096);
    }
    test_heap_fresh();
}

TEST(guard_pages_are_sampled)
{
    test_heap_fresh();
    EXPECT(quarry_guard_start(1000) == QUARRY_OK);
    unsigned sampled = 0;
    static void *objects[20000];
    for (unsigned i = 0; i < 20000; i++) {
        objects[i] = quarry_alloc(48);
        sampled += guard_pages_have(objects[i]);
    }
    test_note("%u of 20000 were guarded; expected: one in 1000", sampled);
    EXPECT(sampled >= 10 && sampled <= 40);
    quarry_guard_stop();
    void *after = quarry_alloc(48);
    EXPECT(!guard_pages_have(after));
    quarry_free(after);
    quarry_free_batch(20000, objects);
    test_heap_drain();
    quarry_verify();
}

/* The pages and the table are allocated frames. After the stop no object is guarded. */
TEST(guard_pages_allocate_their_pages_and_can_be_stopped)
{
    test_heap_fresh();
    size_t before = quarry_frame_free_count();
    EXPECT(quarry_guard_start(1) == QUARRY_OK);
    uintptr_t end = guard_pages.base + (before - quarry_frame_free_count()) * QUARRY_FRAME_BYTES;
    uintptr_t table = (uintptr_t)guard_pages.objects;
    EXPECT(table >= guard_page(2 * QUARRY_GUARD_OBJECTS + 1) &&
           table + QUARRY_GUARD_OBJECTS * sizeof(struct guarded) <= end);
    quarry_guard_stop();
    quarry_cpu_offline();
    void *object = quarry_alloc(10);
    EXPECT(!guard_pages_have(object) && sampler.live == 0);
    quarry_free(object);
    EXPECT(quarry_cpu_online(0) == QUARRY_OK);
}

TEST(guard_pages_need_a_port_and_memory)
{
    test_heap_fresh();
    EXPECT(quarry_guard_start(0) == QUARRY_BAD_SETUP);
    void *object = quarry_alloc(10);
    EXPECT(!guard_pages_have(object));
    quarry_free(object);
    quarry_guard_fault(object, true, NULL); /* returns, because the object is not guarded */

    struct quarry_setup setup;
    platform_setup(&setup);
    platform_forget_caches();
    setup.set_access = NULL;
    EXPECT(quarry_init(&setup) == QUARRY_OK && quarry_cpu_online(0) == QUARRY_OK);
    EXPECT(quarry_guard_start(1) == QUARRY_BAD_SETUP);

    test_heap_fresh();
    if (test_skip_large_machine())
        return;
    while (quarry_frame_alloc(6) != 0)
        continue; /* until no run of frames is left */
    EXPECT(quarry_guard_start(1) == QUARRY_NO_MEMORY);
    test_heap_fresh();
}

/* All CPUs at the same time; each object has its pattern. */
static unsigned wrong; /* atomic */

static void use_guarded(void *unused)
{
    (void)unused;
    for (unsigned round = 0; round < 300; round++) {
        unsigned char *object = quarry_alloc(1 + round % 200);
        if (object == NULL)
            continue;
        *object = (unsigned char)round;
        quarry_free(quarry_alloc(3000));
        if (*object != (unsigned char)round)
            atomic_fetch_add(&wrong, 1);
        quarry_free(object);
    }
}

static void go_online_and_use(void *unused)
{
    if (quarry_port_cpu_number() != 0)
        quarry_cpu_online(quarry_port_cpu_number());
    use_guarded(unused);
    quarry_cpu_offline();
    use_guarded(unused);
}

TEST(guard_pages_on_all_cpus)
{
    test_heap_fresh();
    EXPECT(quarry_guard_start(3) == QUARRY_OK);
    atomic_store_relaxed(&wrong, 0);
    platform_run(platform_cpu_count(), go_online_and_use, NULL);
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPECT(atomic_load_relaxed(&wrong) == 0 && stats.guarded_live_objects == 0);
    quarry_verify();
    test_heap_fresh();
}

/* ---- faults in the pages between two objects ---- */

static uintptr_t fault_address;

static void report_fault(void *unused)
{
    (void)unused;
    quarry_guard_fault((void *)fault_address, false, NULL);
}

/* Only two objects are live, in the neighbouring pages 1 and 3. */
static void fault_between_live_objects(void *argument)
{
    start(1);
    quarry_alloc(10);
    quarry_alloc(20);
    fault_address = guard_page(2) + *(const unsigned *)argument;
    report_fault(NULL);
}

static void fault_next_to_freed_object(void *argument)
{
    start(1);
    void *first = quarry_alloc(10);
    quarry_alloc(20);
    quarry_free(first);
    fault_address = guard_page(2) + *(const unsigned *)argument;
    report_fault(NULL);
}

/* Every place was used once, and all objects are freed. */
static void fault_after_last_object(void *argument)
{
    start(1);
    for (unsigned i = 0; i < QUARRY_GUARD_OBJECTS; i++)
        quarry_free(quarry_alloc(30));
    fault_address = guard_page(2 * QUARRY_GUARD_OBJECTS) + *(const unsigned *)argument;
    report_fault(NULL);
}

static void fault_before_first_object(void *argument)
{
    start(1);
    quarry_free(quarry_alloc(30));
    fault_address = guard_page(0) + *(const unsigned *)argument;
    report_fault(NULL);
}

static void fault_at_end_pages(void *argument)
{
    start(1);
    quarry_alloc(10);
    fault_address = guard_page(*(const unsigned *)argument);
    report_fault(NULL);
}

TEST(guard_pages_name_the_nearest_object)
{
    test_heap_fresh();
    static const unsigned low = 16;
    static const unsigned high = 4000;
    static const unsigned first_page = 0;
    static const unsigned last_page = 2 * QUARRY_GUARD_OBJECTS;
    test_expect_stop(fault_between_live_objects, (void *)&low,
                     "overflow\n, 10 bytes, guarded, allocated");
    test_expect_stop(fault_between_live_objects, (void *)&high,
                     "underflow\n, 20 bytes, guarded, allocated");
    test_expect_stop(fault_next_to_freed_object, (void *)&low,
                     "underflow\n, 20 bytes, guarded, allocated");
    test_expect_stop(fault_at_end_pages, (void *)&first_page,
                     "underflow\n, 10 bytes, guarded, allocated");
    test_expect_stop(fault_at_end_pages, (void *)&last_page, "guarded, never allocated");
    test_expect_stop(fault_after_last_object, (void *)&high,
                     "use after free\n, 30 bytes, guarded, freed");
    test_expect_stop(fault_before_first_object, (void *)&high,
                     "use after free\n, 30 bytes, guarded, freed");
}
