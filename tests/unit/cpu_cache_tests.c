/* SPDX-License-Identifier: MIT */
/* A CPU's cache: how capacity is granted, taken from other classes, and shared with other CPUs. */
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

static size_t granted_by_hand(void)
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
    /* Before the boot loader's memory joined: quarry_init() knew less memory than there is now. */
    size_t most = quarry_frame_total_count() * QUARRY_FRAME_BYTES / QUARRY_CACHE_SHARE / setup.cpus;
    most = max_u64(most, 64 * 1024);
    EXPECT(cache()->budget_bytes <= most && cache()->budget_bytes <= QUARRY_CACHE_BYTES_MAX);
    EXPECT(cache()->budget_bytes >= 64 * 1024);
    cpu_caches_set_budget((size_t)1 << 50);
    EXPECT(cache()->budget_bytes == QUARRY_CACHE_BYTES_MAX);
    cpu_caches_set_budget(1);
    for (unsigned cpu = 0; cpu < cpu_cache_count(); cpu++)
        EXPECT(cpu_cache_of(cpu)->budget_bytes == 64 * 1024);
    EXPECT(cpu_cache_of(cpu_cache_count())->budget_bytes != 64 * 1024); /* no cache is there */
    cpu_caches_set_budget((size_t)QUARRY_CACHE_SHARE * setup.cpus * 100000);
    EXPECT(cache()->budget_bytes == 100000);
}

/* From the cache, or by a miss. */
static void *take(unsigned size_class)
{
    void *object = quarry_port_pop(size_class);
    return object != NULL ? object : cpu_cache_alloc_missed(size_class);
}

static void put(unsigned size_class, void *object)
{
    if (!quarry_port_push(size_class, object))
        cpu_cache_free_missed(size_class, object);
}

/* As a longer array must not find them. */
static void fill_free_frames_with_ends(void)
{
    static uint64_t taken[512];
    for (unsigned i = 0; i < 512; i++) {
        taken[i] = quarry_frame_alloc(2);
        void **words = (void **)(frames.direct_map + taken[i]);
        for (size_t word = 0; taken[i] != 0 && word < 4 * QUARRY_FRAME_BYTES / sizeof *words;
             word++)
            words[word] = QUARRY_MAGAZINE_END;
    }
    for (unsigned i = 0; i < 512; i++)
        if (taken[i] != 0)
            quarry_frame_free(taken[i], 2);
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
        size_t room = cache()->magazines[size_class].places;
        bool will_miss = cpu_cache_held(cache(), size_class) == 0;
        objects[count] = quarry_port_pop(size_class);
        EXPECT((objects[count] == NULL) == will_miss);
        if (!will_miss)
            continue;
        objects[count] = cpu_cache_alloc_missed(size_class);
        REQUIRE(objects[count] != NULL);
        EXPECT(cpu_cache_held(cache(), size_class) == class->batch - 1u);
        bool grew = cache()->magazines[size_class].places > room;
        EXPECT(grew == (capacity == room && capacity < class->magazine_max));
        arrays += grew;
        size_t fits = cache()->magazines[size_class].places - capacity;
        REQUIRE(cache()->magazines[size_class].capacity == capacity + min_u64(class->batch, fits));
    }
    EXPECT(cache()->magazines[size_class].capacity == class->magazine_max &&
           class->magazine_max == 2046);
    EXPECT(arrays == 4);
    cpu_cache_verify(cache());
    /* A full stack: a batch leaves, and the one object comes in. */
    for (size_t i = 0; i < 2300; i++) {
        size_t held = cpu_cache_held(cache(), size_class);
        if (quarry_port_push(size_class, objects[i]))
            continue;
        EXPECT(held == class->magazine_max);
        cpu_cache_free_missed(size_class, objects[i]);
        EXPECT(cpu_cache_held(cache(), size_class) == held - class->batch + 1);
    }
    cpu_cache_verify(cache());
    /* Drained, it is back where it began, and its arrays are free. */
    quarry_scavenge();
    EXPECT(cache()->magazines[size_class].places == class->magazine_first);
    EXPECT(cache()->magazines[size_class].capacity == class->magazine_first);
    cpu_cache_verify(cache());
    quarry_verify();
    EXPECT(quarry_frame_free_count() == frames_before);
}

/* Without memory for a longer array a stack stays as long as it is. */
TEST(cpu_cache_stays_short_when_memory_is_gone)
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
    quarry_scavenge(); /* an arena is here, and the stacks are short again */
    unsigned size_class = size_class_for(64);
    size_t room = cache()->magazines[size_class].places;
    quarry_free(quarry_aligned(8192, 1)); /* pages that need no frames */
    fault_arm_every(1u << FAULT_FRAME, 1);
    for (unsigned i = 0; i < 300; i++)
        EXPECT((objects[i] = quarry_alloc(64)) != NULL);
    fault_disarm();
    EXPECT(cache()->magazines[size_class].places == room);
    for (unsigned i = 0; i < 300; i++)
        quarry_free(objects[i]);
    quarry_verify();
}

/* An empty cache that gets objects back grows as well. */
TEST(cpu_cache_grows_when_objects_come_back)
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
 * When the budget is used up, the classes give in turn, a batch each; what they hold beyond what is
 * left leaves the cache.
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
            kept[i][round] = take(first + i);
            REQUIRE(kept[i][round] != NULL);
        }
    cpu_cache_verify(cache());
    EXPECT(granted_by_hand() <= 64 * 1024);
    unsigned before[3] = {cache()->magazines[first].capacity,
                          cache()->magazines[first + 1].capacity,
                          cache()->magazines[first + 2].capacity};
    EXPECT(before[0] > 0 && before[1] > 0 && before[2] > 0);
    /* Misses of a class that is not among them, until it has all that it may have. */
    const unsigned wanting = 30;
    for (unsigned round = 0; round < 40; round++) {
        void *object = cpu_cache_alloc_missed(wanting);
        REQUIRE(object != NULL);
        cpu_cache_verify(cache());
        cpu_cache_free_missed(wanting, object);
    }
    EXPECT(cache()->magazines[wanting].capacity >= cache_shapes[wanting].batch);
    unsigned gave = 0;
    for (unsigned i = 0; i < 3; i++)
        gave += cache()->magazines[first + i].capacity < before[i];
    EXPECT(gave >= 2);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned round = 0; round < KEPT; round++)
            put(first + i, kept[i][round]);
    cpu_cache_verify(cache());
    quarry_scavenge();
    quarry_verify();
}

/* Who gives: the class whose turn it is, and its surplus goes to the transfer cache. */
TEST(cpu_cache_donor_gives_a_batch_and_its_surplus)
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
            break; /* as much as this class may have */
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
    /* A class does not give to itself; with nobody to give, nothing is granted. */
    cache()->budget_bytes = cache()->granted_bytes;
    cache()->next_donor = (uint8_t)(SIZE_CLASS_COUNT - 1);
    size_t before = cache()->magazines[receiver].capacity;
    EXPECT(cpu_cache_alloc_missed(receiver) != NULL);
    cpu_cache_verify(cache());
    EXPECT(cache()->magazines[receiver].capacity >= before);
}

/* A heap in which `donor` alone has capacity, a batch of it, and the budget is used up. */
static size_t only_donor(unsigned donor)
{
    test_heap_fresh();
    cpu_caches_set_budget((size_t)1 << 50);
    EXPECT(cpu_cache_alloc_missed(donor) != NULL);
    cache()->budget_bytes = cache()->granted_bytes;
    return cache()->magazines[donor].capacity;
}

/* Whoever is asked first, the only one that has something gives all of its batch. */
TEST(cpu_cache_finds_the_only_donor)
{
    static const struct {
        unsigned donor, first_asked, receiver;
    } cases[] = {
        {SIZE_CLASS_COUNT - 1, SIZE_CLASS_COUNT - 2, 20}, /* the last class has its turn */
        {1, SIZE_CLASS_COUNT - 1, 2},                     /* and the first follows it */
        {19, 20, 20},                                     /* all others in vain, and itself */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EXPECT(only_donor(cases[i].donor) == cache_shapes[cases[i].donor].batch);
        cache()->next_donor = (uint8_t)cases[i].first_asked;
        EXPECT(cpu_cache_alloc_missed(cases[i].receiver) != NULL);
        EXPECT(cache()->magazines[cases[i].donor].capacity == 0);
        cpu_cache_verify(cache());
    }
    test_heap_fresh();
}

TEST(cpu_cache_takes_from_nobody_what_it_can_afford)
{
    EXPECT(only_donor(19) > 0);
    size_t before = cache()->magazines[19].capacity;
    cache()->budget_bytes += (size_t)cache_shapes[20].batch * size_classes[20].bytes;
    EXPECT(cpu_cache_alloc_missed(20) != NULL);
    EXPECT(cache()->magazines[19].capacity == before &&
           cache()->magazines[20].capacity == cache_shapes[20].batch);
    test_heap_fresh();
}

/* Asked in its own turn, with capacity of its own: it passes the turn on. */
TEST(cpu_cache_does_not_give_to_itself)
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

/* Offline, and not yet online: every stack is the door. */
#if QUARRY_HARDEN == 0
/* From 32 KiB to 1 MiB each object has a span; what is cached of them is given back when asked. */
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

/* An object beyond the budget is not cached, and nobody else's capacity is taken for it. */
TEST(cpu_cache_leaves_alone_what_is_beyond_the_budget)
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

/* Eight steps of the scavenger in which a stack does not move, whatever its neighbours do; a move
 * begins the count anew. */
TEST(cpu_cache_stack_is_drained_when_idle)
{
    test_heap_fresh();
    unsigned size_class = size_class_for(64), busy_class = size_class_for(1024);
    void *other = quarry_alloc(64), *busy = NULL;
    put(size_class, take(size_class));
    EXPECT(cpu_cache_held(cache(), size_class) > 0);
    for (unsigned i = 0; i < 8; i++)
        cpu_cache_drain_idle();
    EXPECT(cpu_cache_held(cache(), size_class) > 0);
    void *object = take(size_class);
    for (unsigned i = 0; i < 8; i++)
        cpu_cache_drain_idle();
    put(size_class, object);
    EXPECT(cpu_cache_held(cache(), size_class) > 0);
    for (unsigned i = 0; i < 9; i++) {
        EXPECT(cpu_cache_held(cache(), size_class) > 0);
        if (busy == NULL) {
            busy = take(busy_class);
        } else {
            put(busy_class, busy);
            busy = NULL;
        }
        cpu_cache_drain_idle();
    }
    EXPECT(cpu_cache_held(cache(), size_class) == 0 && cpu_cache_held(cache(), busy_class) > 0);
    put(busy_class, busy);
    quarry_free(other);
    quarry_verify();
}

TEST(cpu_cache_offline_is_all_doors)
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
