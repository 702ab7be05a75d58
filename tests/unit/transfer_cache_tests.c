/* SPDX-License-Identifier: MIT */
/* Transfer caches: objects that one CPU allocates and another frees; capacity, trim and drain. */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "lib/atomic.h"
#include "mm/objects/central_list.h"
#include "mm/objects/size_class.h"
#include "mm/objects/transfer_cache.h"
#include "tests/framework/platform.h"
#include "tests/framework/test.h"

#define PASSED_OBJECTS 200000u
#define RING_SLOTS 128u
#define BYTES 64u

/* A ring with one producer and one consumer. A slot is NULL or has an object. */
struct pipe {
    void *slots[RING_SLOTS];
};

static void produce(struct pipe *pipe)
{
    for (unsigned i = 0; i < PASSED_OBJECTS; i++) {
        void *object = quarry_alloc(BYTES);
        if (!EXPECT(object != NULL))
            return;
        while (atomic_load_acquire(&pipe->slots[i % RING_SLOTS]) != NULL)
            quarry_port_pause();
        atomic_store_release(&pipe->slots[i % RING_SLOTS], object);
    }
}

static void consume(struct pipe *pipe)
{
    for (unsigned i = 0; i < PASSED_OBJECTS; i++) {
        void *object;
        while ((object = atomic_load_acquire(&pipe->slots[i % RING_SLOTS])) == NULL)
            quarry_port_pause();
        atomic_store_release(&pipe->slots[i % RING_SLOTS], NULL);
        quarry_free(object);
    }
}

static void produce_or_consume(void *argument)
{
    if (quarry_port_cpu_number() == 0) {
        consume(argument);
        return;
    }
    EXPECT(quarry_cpu_online(quarry_port_cpu_number()) == QUARRY_OK);
    produce(argument);
    quarry_cpu_offline();
}

TEST(transfer_cache_absorbs_central_list_transactions)
{
    test_heap_fresh();
    if (platform_cpu_count() < 2) {
        test_skip("one CPU");
        return;
    }
    static struct pipe pipe;
    size_t before = central_list_sums(size_class_of(BYTES)).transactions;
    platform_run(2, produce_or_consume, &pipe);
    size_t transactions = central_list_sums(size_class_of(BYTES)).transactions - before;
    test_note("%zu transactions of the central list per million objects passed between two CPUs",
              transactions * 5);
    EXPECT(transactions * 100 < PASSED_OBJECTS);
    test_heap_drain();
    quarry_verify();
}

TEST(transfer_cache_keeps_batches_and_frees_the_rest)
{
    test_heap_fresh();
    transfer_caches_set_budget(0);
    unsigned size_class = size_class_of(BYTES);
    static void *objects[1000];
    static void *again[1000];
    size_t span = central_list_alloc(size_class, 1000, objects);
    REQUIRE(span == size_classes[size_class].span_pages * QUARRY_FRAME_BYTES / BYTES && span < 500);
    REQUIRE(central_list_alloc(size_class, 512 - span, objects + span) == 512 - span);
    transfer_cache_free(size_class, 500, objects);
    size_t kept = transfer_cache_count(size_class);
    EXPECT(kept == 256 && central_list_sums(size_class).used_slots == kept + 12);
    EXPECT(transfer_cache_alloc(size_class, 1000, again) == kept);
    EXPECT(transfer_cache_count(size_class) == 0);
    transfer_cache_free(size_class, kept, again);
    transfer_cache_drain(size_class);
    EXPECT(transfer_cache_count(size_class) == 0);
    central_list_free(size_class, 12, objects + 500);
    EXPECT(central_list_sums(size_class).used_slots == 0);
    central_list_drain(size_class);
    EXPECT(central_list_sums(size_class).spans == 0);
    quarry_verify();
}

#define MANY 3000u

static void *many[MANY];

static size_t alloc_many(unsigned size_class)
{
    size_t allocated = 0;
    size_t more;
    while (allocated < MANY &&
           (more = transfer_cache_alloc(size_class, MANY - allocated, many + allocated)) > 0)
        allocated += more;
    return allocated;
}

/* The first array holds 256 objects, the longest one 2048. The budget limits the longer arrays. */
TEST(transfer_cache_grows_within_its_budget)
{
    test_heap_fresh();
    size_t frames_before = quarry_frame_free_count();
    unsigned size_class = size_class_of(BYTES);
    REQUIRE(alloc_many(size_class) == MANY);
    transfer_cache_free(size_class, 500, many); /* the fresh heap below has granted nothing */
    test_heap_fresh();
    size_t extra = (1024 - 256) * (size_t)size_classes[size_class].bytes;
    static const size_t kept[] = {2048, 1024, 512};
    const size_t budgets[] = {(size_t)1 << 30, extra, extra - 1};
    for (unsigned i = 0; i < 3; i++) {
        REQUIRE(alloc_many(size_class) == MANY);
        transfer_caches_set_budget(budgets[i] * QUARRY_TRANSFER_SHARE);
        for (unsigned again = 0; i == 1 && again < 2; again++) {
            /* A drain returns what was granted. */
            for (unsigned freed = 0; freed < MANY; freed += 20)
                transfer_cache_free(size_class, 20, many + freed);
            transfer_cache_drain(size_class);
            REQUIRE(alloc_many(size_class) == MANY);
        }
        for (unsigned freed = 0; freed < MANY; freed += 20)
            transfer_cache_free(size_class, 20, many + freed);
        EXPECT(transfer_cache_count(size_class) == kept[i]);
        quarry_verify();
        EXPECT(alloc_many(size_class) == MANY);
        for (unsigned object = 0; object + 1 < MANY; object++)
            REQUIRE(many[object] != many[object + 1]);
        transfer_cache_free(size_class, 1000, many);
        transfer_cache_free(size_class, MANY - 1000, many + 1000);
        transfer_cache_drain(size_class);
        EXPECT(transfer_cache_count(size_class) == 0);
        quarry_scavenge();
        EXPECT(quarry_frame_free_count() == frames_before);
    }
    test_heap_fresh();
}

/* Whatever the budget, a transfer cache holds no more than its bound in bytes. */
TEST(transfer_cache_holds_no_more_bytes_than_its_bound)
{
    enum { COUNT = 3000 };
    static void *objects[COUNT];
    test_heap_fresh();
    transfer_caches_set_budget(SIZE_MAX);
    static const size_t sizes[] = {64, 512, 1024, 2048, 8192};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned size_class = size_class_of(sizes[i]);
        size_t bytes = size_classes[size_class].bytes;
        size_t count = 0;
        size_t more;
        while (count < COUNT && count * bytes < 8 * (size_t)QUARRY_TRANSFER_BYTES_MAX &&
               (more = central_list_alloc(size_class, 20, objects + count)) > 0 &&
               count + 40 < COUNT)
            count += more;
        for (size_t freed = 0; freed + 20 <= count; freed += 20)
            transfer_cache_free(size_class, 20, objects + freed);
        central_list_free(size_class, count % 20, objects + count / 20 * 20);
        EXPECT(transfer_cache_count(size_class) * bytes <= QUARRY_TRANSFER_BYTES_MAX);
        transfer_cache_drain(size_class);
    }
    test_heap_fresh();
}

/* Objects that were cached all the time since the last step move to the central list. Objects that
 * were needed in between stay. */
TEST(transfer_cache_trims_what_was_not_needed)
{
    test_heap_fresh();
    unsigned size_class = size_class_for(BYTES);
    void *objects[20];
    for (unsigned i = 0; i < 20; i++)
        REQUIRE(central_list_alloc(size_class, 1, &objects[i]) == 1);
    transfer_cache_trim(size_class);
    transfer_cache_free(size_class, 20, objects);
    transfer_cache_trim(size_class); /* they were freed since the last step */
    EXPECT(transfer_cache_count(size_class) == 20);
    void *needed[15];
    EXPECT(transfer_cache_alloc(size_class, 15, needed) == 15);
    transfer_cache_free(size_class, 15, needed);
    transfer_cache_trim(size_class); /* five were never needed */
    EXPECT(transfer_cache_count(size_class) == 15);
    transfer_cache_trim(size_class);
    EXPECT(transfer_cache_count(size_class) == 0);
    EXPECT(central_list_sums(size_class).used_slots == 0);
    quarry_verify();
}

/* A step that finds objects that were not needed also returns the longer array to the budget. */
TEST(transfer_cache_shrinks_when_it_is_trimmed)
{
    test_heap_fresh();
    unsigned size_class = size_class_of(BYTES);
    transfer_caches_set_budget((size_t)1 << 40);
    REQUIRE(alloc_many(size_class) == MANY);
    size_t before = quarry_frame_free_count();
    for (unsigned freed = 0; freed + 20 <= 1000; freed += 20)
        transfer_cache_free(size_class, 20, many + freed);
    EXPECT(transfer_cache_count(size_class) == 1000 && quarry_frame_free_count() < before);
    transfer_cache_trim(size_class);
    transfer_cache_trim(size_class);
    EXPECT(transfer_cache_count(size_class) == 0);
    EXPECT(quarry_frame_free_count() >= before);
    test_heap_fresh();
}

/* An empty span is kept until a step of the scavenger in which its class was not used. */
TEST(central_list_frees_its_span_when_idle)
{
    test_heap_fresh();
    unsigned size_class = size_class_for(BYTES);
    void *object;
    REQUIRE(central_list_alloc(size_class, 1, &object) == 1);
    central_list_free(size_class, 1, &object);
    central_list_drain_if_idle(size_class);
    EXPECT(central_list_sums(size_class).spans == 1);
    central_list_drain_if_idle(size_class);
    EXPECT(central_list_sums(size_class).spans == 0);
    quarry_verify();
}
