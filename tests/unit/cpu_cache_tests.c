/* SPDX-License-Identifier: MIT */
/* A CPU's cache: its budget, and the capacity that its magazines gain and lose. */
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "lib/bits.h"
#include "lib/fault.h"
#include "mm/frames/frames.h"
#include "mm/objects/cpu_cache.h"
#include "mm/objects/transfer_cache.h"
#include "tests/framework/platform.h"
#include "tests/framework/test.h"

static struct cpu_cache *cache(void)
{
    return cpu_cache_here();
}

static size_t sum_of_capacities(void)
{
    size_t bytes = 0;
    for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++)
        bytes += (size_t)cache()->magazines[i].capacity * size_classes[i].bytes;
    return bytes;
}

TEST(cpu_cache_budget_is_a_share_of_memory)
{
    test_heap_fresh();
    struct quarry_setup setup;
    platform_setup(&setup);
    /* quarry_init() computed the budget before reclaimable memory joined, from less memory. */
    size_t most = quarry_frame_total_count() * QUARRY_FRAME_BYTES / QUARRY_CACHE_SHARE / setup.cpus;
    most = max_u64(most, 64 * 1024);
    EXPECT(cache()->budget_bytes <= most && cache()->budget_bytes <= QUARRY_CACHE_BYTES_MAX);
    EXPECT(cache()->budget_bytes >= 64 * 1024);
    cpu_caches_set_budget((size_t)1 << 50);
    EXPECT(cache()->budget_bytes == QUARRY_CACHE_BYTES_MAX);
    cpu_caches_set_budget(1);
    for (unsigned cpu = 0; cpu < cpu_cache_count(); cpu++)
        EXPECT(cpu_cache_of(cpu)->budget_bytes == 64 * 1024);
    EXPECT(cpu_cache_of(cpu_cache_count())->budget_bytes != 64 * 1024); /* behind the last cache */
    cpu_caches_set_budget((size_t)QUARRY_CACHE_SHARE * setup.cpus * 100000);
    EXPECT(cache()->budget_bytes == 100000);
}

/* By a hit or by a miss. */
static void *alloc_one(unsigned size_class)
{
    void *object = quarry_port_pop(size_class);
    return object != NULL ? object : cpu_cache_alloc_missed(size_class);
}

static void free_one(unsigned size_class, void *object)
{
    if (!quarry_port_push(size_class, object))
        cpu_cache_free_missed(size_class, object);
}

/* Writes the end sentinel into free frames. A longer array must work over such contents. */
static void fill_free_frames_with_ends(void)
{
    static uint64_t ranges[512];
    for (unsigned i = 0; i < 512; i++) {
        ranges[i] = quarry_frame_alloc(2);
        void **words = (void **)(frames.direct_map + ranges[i]);
        for (size_t word = 0; ranges[i] != 0 && word < 4 * QUARRY_FRAME_BYTES / sizeof *words;
             word++)
            words[word] = QUARRY_MAGAZINE_END;
    }
    for (unsigned i = 0; i < 512; i++)
        if (ranges[i] != 0)
            quarry_frame_free(ranges[i], 2);
}

/* Each miss brings a batch more, up to the class's own limit; the array grows on the way. */
TEST(cpu_cache_grows_by_a_batch_at_each_miss)
{
    test_heap_fresh();
    fill_free_frames_with_ends();
    size_t frames_before = quarry_frame_free_count();
    cpu_caches_set_budget((size_t)1 << 50);
    const unsigned size_class = 8;
    const struct cache_shape *class = &cache_shapes[size_class];
    static void *objects[2300];
    EXPECT(cache()->magazines[size_class].capacity == 0);
    EXPECT(cache()->magazines[size_class].places == class->magazine_first);
    unsigned arrays = 1;
    for (size_t count = 0; count < 2300; count++) {
        size_t capacity = cache()->magazines[size_class].capacity;
        size_t places = cache()->magazines[size_class].places;
        bool will_miss = cpu_cache_held(cache(), size_class) == 0;
        objects[count] = quarry_port_pop(size_class);
        EXPECT((objects[count] == NULL) == will_miss);
        if (!will_miss)
            continue;
        objects[count] = cpu_cache_alloc_missed(size_class);
        REQUIRE(objects[count] != NULL);
        EXPECT(cpu_cache_held(cache(), size_class) == class->batch - 1u);
        bool grew = cache()->magazines[size_class].places > places;
        EXPECT(grew == (capacity == places && capacity < class->magazine_max));
        arrays += grew;
        size_t fits = cache()->magazines[size_class].places - capacity;
        REQUIRE(cache()->magazines[size_class].capacity == capacity + min_u64(class->batch, fits));
    }
    EXPECT(cache()->magazines[size_class].capacity == class->magazine_max &&
           class->magazine_max == 2046);
    EXPECT(arrays == 4);
    cpu_cache_verify(cache());
    /* A full magazine evicts a batch, then the object is pushed. */
    for (size_t i = 0; i < 2300; i++) {
        size_t held = cpu_cache_held(cache(), size_class);
        if (quarry_port_push(size_class, objects[i]))
            continue;
        EXPECT(held == class->magazine_max);
        cpu_cache_free_missed(size_class, objects[i]);
        EXPECT(cpu_cache_held(cache(), size_class) == held - class->batch + 1);
    }
    cpu_cache_verify(cache());
    /* Drained, the magazine has its first array, and the longer arrays are freed. */
    quarry_scavenge();
    EXPECT(cache()->magazines[size_class].places == class->magazine_first);
    EXPECT(cache()->magazines[size_class].capacity == class->magazine_first);
    cpu_cache_verify(cache());
    quarry_verify();
    EXPECT(quarry_frame_free_count() == frames_before);
}

/* Without memory for a longer array a magazine keeps the array that it has. */
TEST(cpu_cache_keeps_its_arrays_when_out_of_memory)
{
    test_heap_fresh();
    if (!QUARRY_FAULTS || QUARRY_HARDEN == 2) {
        test_skip("no faults in this build, or spans that need frames as well");
        return;
    }
    static void *objects[300];
    for (unsigned i = 0; i < 300; i++)
        objects[i] = quarry_alloc(64);
    for (unsigned i = 0; i < 300; i++)
        quarry_free(objects[i]);
    quarry_scavenge(); /* the magazines have their first arrays again */
    unsigned size_class = size_class_for(64);
    size_t places = cache()->magazines[size_class].places;
    quarry_free(quarry_aligned(8192, 1)); /* free pages, so that spans need no frames */
    fault_arm_every(1u << FAULT_FRAME, 1);
    for (unsigned i = 0; i < 300; i++)
        EXPECT((objects[i] = quarry_alloc(64)) != NULL);
    fault_disarm();
    EXPECT(cache()->magazines[size_class].places == places);
    for (unsigned i = 0; i < 300; i++)
        quarry_free(objects[i]);
    quarry_verify();
}

/* A free to an empty cache grants capacity too. */
TEST(cpu_cache_grows_when_objects_are_freed)
{
    test_heap_fresh();
    cpu_caches_set_budget((size_t)1 << 50);
    const unsigned size_class = 8;
    void *object = cpu_cache_alloc_missed(size_class);
    quarry_cpu_offline();
    EXPECT(cpu_cache_held(cache(), size_class) == 0);
    EXPECT(quarry_cpu_online(quarry_port_cpu_number()) == QUARRY_OK);
    EXPECT(cache()->magazines[size_class].capacity == 0);
    cpu_cache_free_missed(size_class, object);
    EXPECT(cache()->magazines[size_class].capacity == cache_shapes[size_class].batch);
    EXPECT(cpu_cache_held(cache(), size_class) == 1);
}

/*
 * When the budget is used up, the other magazines lose a batch of capacity each, in turn. Objects
 * beyond the new capacity are evicted.
 */
TEST(cpu_cache_takes_capacity_from_others_in_turn)
{
    test_heap_fresh();
    cpu_caches_set_budget(1);  /* 64 KiB */
    const unsigned first = 17; /* three classes above 128 bytes, batches of some KiB each */
    enum { KEPT = 130 };
    static void *kept[3][KEPT];
    for (unsigned i = 0; i < 3; i++)
        for (unsigned round = 0; round < KEPT; round++) {
            kept[i][round] = alloc_one(first + i);
            REQUIRE(kept[i][round] != NULL);
        }
    cpu_cache_verify(cache());
    EXPECT(sum_of_capacities() <= 64 * 1024);
    unsigned before[3] = {cache()->magazines[first].capacity,
                          cache()->magazines[first + 1].capacity,
                          cache()->magazines[first + 2].capacity};
    EXPECT(before[0] > 0 && before[1] > 0 && before[2] > 0);
    /* Misses of a fourth class, until its capacity is at its maximum. */
    const unsigned receiver = 30;
    for (unsigned round = 0; round < 40; round++) {
        void *object = cpu_cache_alloc_missed(receiver);
        REQUIRE(object != NULL);
        cpu_cache_verify(cache());
        cpu_cache_free_missed(receiver, object);
    }
    EXPECT(cache()->magazines[receiver].capacity >= cache_shapes[receiver].batch);
    unsigned donors = 0;
    for (unsigned i = 0; i < 3; i++)
        donors += cache()->magazines[first + i].capacity < before[i];
    EXPECT(donors >= 2);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned round = 0; round < KEPT; round++)
            free_one(first + i, kept[i][round]);
    cpu_cache_verify(cache());
    quarry_scavenge();
    quarry_verify();
}

/* The class whose turn it is loses a batch, and its surplus objects go to the transfer cache. */
TEST(cpu_cache_donor_loses_a_batch_and_its_surplus)
{
    test_heap_fresh();
    cpu_caches_set_budget(1);
    const unsigned donor = 40;
    const unsigned receiver = 50;
    while (cache()->granted_bytes + cache_shapes[donor].batch * size_classes[donor].bytes <=
           cache()->budget_bytes) {
        size_t before = cache()->magazines[donor].capacity;
        REQUIRE(cpu_cache_alloc_missed(donor) != NULL);
        if (cache()->magazines[donor].capacity == before)
            break; /* the class has its maximum */
    }
    size_t capacity = cache()->magazines[donor].capacity;
    size_t batch = cache_shapes[donor].batch;
    REQUIRE(capacity >= batch);
    void *more;
    while (cpu_cache_held(cache(), donor) < capacity && transfer_cache_alloc(donor, 1, &more) == 1)
        REQUIRE(quarry_port_push(donor, more));
    cache()->budget_bytes = cache()->granted_bytes; /* nothing is left for others */
    cache()->next_donor = (uint8_t)donor;
    EXPECT(cpu_cache_alloc_missed(receiver) != NULL);
    EXPECT(cache()->magazines[donor].capacity == capacity - batch);
    EXPECT(cpu_cache_held(cache(), donor) == capacity - batch);
    EXPECT(cache()->next_donor == donor + 1);
    EXPECT(cache()->magazines[receiver].capacity > 0 &&
           cache()->magazines[receiver].capacity <= cache_shapes[receiver].batch);
    cpu_cache_verify(cache());
    /* No class is its own donor. Without a donor nothing is granted. */
    cache()->budget_bytes = cache()->granted_bytes;
    cache()->next_donor = (uint8_t)(SIZE_CLASS_COUNT - 1);
    size_t before = cache()->magazines[receiver].capacity;
    EXPECT(cpu_cache_alloc_missed(receiver) != NULL);
    cpu_cache_verify(cache());
    EXPECT(cache()->magazines[receiver].capacity >= before);
}

/* A heap in which only `donor` has capacity, one batch, and the budget is used up. Returns the
 * capacity. */
static size_t only_donor(unsigned donor)
{
    test_heap_fresh();
    cpu_caches_set_budget((size_t)1 << 50);
    EXPECT(cpu_cache_alloc_missed(donor) != NULL);
    cache()->budget_bytes = cache()->granted_bytes;
    return cache()->magazines[donor].capacity;
}

/* The only class with capacity is found and loses its batch, wherever the search begins. */
TEST(cpu_cache_finds_the_only_donor)
{
    static const struct {
        unsigned donor, search_from, receiver;
    } cases[] = {
        {SIZE_CLASS_COUNT - 1, SIZE_CLASS_COUNT - 2, 20}, /* the second that is tried */
        {1, SIZE_CLASS_COUNT - 1, 2}, /* the search goes from the last to the first */
        {19, 20, 20},                 /* the last that is tried; the receiver is the first */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EXPECT(only_donor(cases[i].donor) == cache_shapes[cases[i].donor].batch);
        cache()->next_donor = (uint8_t)cases[i].search_from;
        EXPECT(cpu_cache_alloc_missed(cases[i].receiver) != NULL);
        EXPECT(cache()->magazines[cases[i].donor].capacity == 0);
        cpu_cache_verify(cache());
    }
    test_heap_fresh();
}

TEST(cpu_cache_takes_no_capacity_if_budget_is_left)
{
    EXPECT(only_donor(19) > 0);
    size_t before = cache()->magazines[19].capacity;
    cache()->budget_bytes += (size_t)cache_shapes[20].batch * size_classes[20].bytes;
    EXPECT(cpu_cache_alloc_missed(20) != NULL);
    EXPECT(cache()->magazines[19].capacity == before &&
           cache()->magazines[20].capacity == cache_shapes[20].batch);
    test_heap_fresh();
}

/* It is the receiver's own turn, and the receiver has capacity: the turn passes on. */
TEST(cpu_cache_receiver_is_not_its_own_donor)
{
    EXPECT(only_donor(19) > 0);
    cache()->budget_bytes += (size_t)cache_shapes[20].batch * size_classes[20].bytes;
    EXPECT(cpu_cache_alloc_missed(20) != NULL);
    cache()->next_donor = 20;
    EXPECT(cpu_cache_alloc_missed(20) != NULL);
    EXPECT(cache()->magazines[19].capacity == 0 &&
           cache()->magazines[20].capacity >= cache_shapes[20].batch);
    cpu_cache_verify(cache());
    test_heap_fresh();
}

#if QUARRY_HARDEN == 0
/* From 32 KiB to 1 MiB each object has a span. A drain and a scavenge free the cached ones. */
TEST(cpu_cache_holds_whole_spans)
{
    test_heap_fresh();
    size_t before = quarry_frame_free_count();
    cache()->budget_bytes = 64 * 1024 * 1024;
    for (unsigned i = size_class_of(SIZE_CLASS_LOOKUP_BYTES_MAX) + 1; i < SIZE_CLASS_COUNT; i++) {
        size_t bytes = size_classes[i].bytes;
        unsigned char *object = quarry_zeroed(bytes);
        REQUIRE(object != NULL && (uintptr_t)object % QUARRY_FRAME_BYTES == 0);
        EXPECT(quarry_usable_size(object) == bytes && object[bytes - 1] == 0);
        object[bytes - 1] = 1;
        quarry_free(object);
        EXPECT(quarry_zeroed(bytes - QUARRY_FRAME_BYTES + 1) == object && object[bytes - 1] == 1);
        quarry_free_sized(object, bytes);
        EXPECT(cpu_cache_held(cache(), i) > 0);
    }
    quarry_verify();
    cpu_cache_drain_own();
    quarry_scavenge();
    EXPECT(quarry_frame_free_count() + 200 > before); /* but for descriptors and the page map */
    test_heap_fresh();
}

/* An object beyond the budget is not cached, and no other magazine loses capacity for it. */
TEST(cpu_cache_holds_no_objects_beyond_the_budget)
{
    test_heap_fresh();
    cpu_caches_set_budget(1);
    void *small = quarry_alloc(64);
    size_t granted = cache()->granted_bytes;
    REQUIRE(small != NULL && granted > 0);
    for (unsigned i = 0; i < 3; i++)
        quarry_free(quarry_alloc(1024 * 1024));
    EXPECT(cache()->granted_bytes == granted);
    EXPECT(cpu_cache_held(cache(), size_class_of(1024 * 1024)) == 0);
    quarry_free(small);
    quarry_verify();
    test_heap_fresh();
}
#endif

/* A magazine whose top did not move for eight steps of the scavenger is drained in the next one. A
 * move begins the count again. Other magazines have no influence. */
TEST(cpu_cache_drains_idle_magazines)
{
    test_heap_fresh();
    unsigned size_class = size_class_for(64), busy_class = size_class_for(1024);
    void *other = quarry_alloc(64), *busy = NULL;
    free_one(size_class, alloc_one(size_class));
    EXPECT(cpu_cache_held(cache(), size_class) > 0);
    for (unsigned i = 0; i < 8; i++)
        cpu_cache_drain_idle();
    EXPECT(cpu_cache_held(cache(), size_class) > 0);
    void *object = alloc_one(size_class);
    for (unsigned i = 0; i < 8; i++)
        cpu_cache_drain_idle();
    free_one(size_class, object);
    EXPECT(cpu_cache_held(cache(), size_class) > 0);
    for (unsigned i = 0; i < 9; i++) {
        EXPECT(cpu_cache_held(cache(), size_class) > 0);
        if (busy == NULL) {
            busy = alloc_one(busy_class);
        } else {
            free_one(busy_class, busy);
            busy = NULL;
        }
        cpu_cache_drain_idle();
    }
    EXPECT(cpu_cache_held(cache(), size_class) == 0 && cpu_cache_held(cache(), busy_class) > 0);
    free_one(busy_class, busy);
    quarry_free(other);
    quarry_verify();
}

/* Offline, all magazines are at the sentinel. Online again, all are empty and have no capacity. */
TEST(cpu_cache_offline_has_only_sentinels)
{
    test_heap_fresh();
    quarry_free(quarry_alloc(100));
    quarry_cpu_offline();
    EXPECT(!cache()->online && cache()->area == NULL && cache()->granted_bytes == 0);
    for (unsigned i = 0; i < SIZE_CLASS_COUNT; i++) {
        EXPECT(cache()->block->top[i] == &cache()->sentinel[0] &&
               cache()->magazines[i].capacity == 0);
        EXPECT(quarry_port_pop(i) == NULL && !quarry_port_push(i, cache()));
        EXPECT(cpu_cache_held(cache(), i) == 0);
    }
    cpu_cache_verify(cache());
    EXPECT(quarry_cpu_online(quarry_port_cpu_number()) == QUARRY_OK);
    for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++)
        EXPECT(quarry_port_pop(i) == NULL && !quarry_port_push(i, cache()));
    EXPECT(cache()->next_donor == 1);
    cpu_cache_verify(cache());
}
