/* SPDX-License-Identifier: MIT */
/* Per-CPU caches: misses, capacity, coming and going; see cpu_cache.h. */
#include "mm/objects/cpu_cache.h"

#include "lib/atomic.h"
#include "lib/check.h"
#include "lib/memory.h"
#include "lib/spinlock.h"
#include "mm/frames/boot_memory.h"
#include "mm/frames/frame_api.h"
#include "mm/frames/frame_cache.h"
#include "mm/objects/central_list.h"
#include "mm/objects/quarantine.h"
#include "mm/objects/transfer_cache.h"

_Static_assert(SIZE_CLASS_COUNT <= 255, "class numbers fit their fields");
_Static_assert(SIZE_CLASS_COUNT <= FRAME_MAGAZINE, "a CPU's block has a stack for each class");

#define AREA_FRAMES ((SIZE_CLASS_STACK_WORDS * sizeof(void *) + FRAME_BYTES - 1) / FRAME_BYTES)

/* Steps of the scavenger after which a stack that nobody uses is drained: as many as a peak of
 * arenas is remembered. */
#define IDLE_STEPS_MAX 8u

/* Small caches of many CPUs need at least this to hold one object of every class. */
#define BUDGET_BYTES_MIN ((size_t)64 * 1024)

static struct cpu_cache *caches; /* one per CPU that may come online */
static unsigned cache_count;

/* ---- one stack: interrupts are off and the cache is this CPU's, or the CPU is dead ---- */

static void **first_array(const struct cpu_cache *cache, unsigned size_class)
{
    return cache->area + size_classes[size_class].stack_place;
}

size_t cpu_cache_held(const struct cpu_cache *cache, unsigned size_class)
{
    if (!cache->online || size_class == 0)
        return 0;
    return (size_t)(cache->block->top[size_class] - cache->bottom[size_class]);
}

/* The stack holds no more than `capacity` objects, and has room for them. */
static void set_capacity(struct cpu_cache *cache, unsigned size_class, size_t capacity)
{
    size_t bytes = size_classes[size_class].bytes;
    cache->granted_bytes += (capacity - cache->capacity[size_class]) * bytes;
    void **bottom = cache->bottom[size_class];
    bottom[cache->capacity[size_class] + 1] = NULL;
    bottom[capacity + 1] = QUARRY_MAGAZINE_END;
    cache->capacity[size_class] = (uint16_t)capacity;
}

/* Up to `count` objects off the stack. */
static size_t pop_many(struct cpu_cache *cache, unsigned size_class, size_t count, void *objects[])
{
    size_t popped = min_u64(count, cpu_cache_held(cache, size_class));
    void **top = cache->block->top[size_class] - popped;
    memory_copy(objects, top + 1, popped * sizeof(void *));
    cache->block->top[size_class] = top;
    return popped;
}

static size_t push_many(struct cpu_cache *cache, unsigned size_class, size_t count,
                        void *const objects[])
{
    size_t space = cache->capacity[size_class] - cpu_cache_held(cache, size_class);
    size_t pushed = min_u64(count, space);
    void **top = cache->block->top[size_class];
    memory_copy(top + 1, objects, pushed * sizeof(void *));
    cache->block->top[size_class] = top + pushed;
    return pushed;
}

/* ---- room ---- */

/* Places in an array of 2^order frames: two words are sentinels. */
static size_t places(unsigned order)
{
    return (FRAME_BYTES << order) / sizeof(void *) - 2;
}

/* The order of an array with `room` places, which is not the first one. */
static unsigned array_order(size_t room)
{
    unsigned order = 0;
    while (places(order) < room)
        order++;
    return order;
}

static void free_array(void **array, size_t room)
{
    frame_allocator_free(&frames.allocator, quarry_port_cpu_number(), frame_at(array),
                         array_order(room));
}

/* The stack, which is empty, goes on in `array`, whose words are all 0. */
static void move_to(struct cpu_cache *cache, unsigned size_class, void **array, size_t room)
{
    void **old = cache->bottom[size_class];
    old[cache->capacity[size_class] + 1] = NULL;
    array[cache->capacity[size_class] + 1] = QUARRY_MAGAZINE_END;
    cache->bottom[size_class] = cache->block->top[size_class] = array;
    if (old != first_array(cache, size_class))
        free_array(old, cache->room[size_class]);
    cache->room[size_class] = (uint16_t)room;
}

/* Moves the stack, which is empty, to the next longer array, if there is memory for it. */
static void widen(struct cpu_cache *cache, unsigned size_class)
{
    unsigned order = array_order(cache->room[size_class] + 1);
    size_t frame = frame_allocator_alloc(&frames.allocator, quarry_port_cpu_number(), order);
    if (frame == NO_FRAME)
        return;
    void **array = frame_address(frame);
    memory_clear(array, FRAME_BYTES << order);
    move_to(cache, size_class, array, min_u64(places(order), size_classes[size_class].cache_slots));
}

/* Moves the stack, which is empty, back to its first array. */
static void narrow(struct cpu_cache *cache, unsigned size_class)
{
    size_t room = size_classes[size_class].first_slots;
    if (cache->bottom[size_class] == first_array(cache, size_class))
        return;
    if (cache->capacity[size_class] > room)
        set_capacity(cache, size_class, room);
    move_to(cache, size_class, first_array(cache, size_class), room);
}

/* ---- capacity ---- */

/* Objects on their way out of a cache, sent on when interrupts are back as they were. */
struct departure {
    unsigned size_class;
    size_t count;
    void *objects[SIZE_CLASS_BATCH_MAX];
};

static void depart(const struct departure *departure)
{
    /* cppcheck-suppress ctuuninitvar ; `count` is always set, and says how much else is */
    if (departure->count > 0)
        transfer_cache_free(departure->size_class, departure->count, departure->objects);
}

/* Takes a batch of capacity from the next class that has some, other than `receiver`. */
static void take_from_donor(struct cpu_cache *cache, unsigned receiver, struct departure *departure)
{
    for (unsigned tries = 1; tries < SIZE_CLASS_COUNT; tries++) {
        unsigned donor = cache->next_donor;
        cache->next_donor = (uint8_t)(donor + 1 < SIZE_CLASS_COUNT ? donor + 1 : 1);
        if (donor == receiver || cache->capacity[donor] == 0)
            continue;
        size_t batch = size_classes[donor].batch;
        size_t left = cache->capacity[donor] > batch ? cache->capacity[donor] - batch : 0;
        size_t held = cpu_cache_held(cache, donor);
        departure->size_class = donor;
        if (held > left)
            departure->count = pop_many(cache, donor, held - left, departure->objects);
        set_capacity(cache, donor, left);
        if (left == 0)
            narrow(cache, donor);
        return;
    }
}

static size_t affordable(const struct cpu_cache *cache, unsigned size_class)
{
    return (cache->budget_bytes - cache->granted_bytes) / size_classes[size_class].bytes;
}

/* One more batch of capacity for a class that missed, as far as its room and the budget go. */
static void grant(struct cpu_cache *cache, unsigned size_class, struct departure *departure)
{
    const struct size_class *class = &size_classes[size_class];
    size_t capacity = cache->capacity[size_class];
    if (capacity == cache->room[size_class] && capacity < class->cache_slots &&
        cpu_cache_held(cache, size_class) == 0)
        widen(cache, size_class);
    size_t more = min_u64(class->batch, cache->room[size_class] - capacity);
    /* What is beyond the whole budget will not be had by taking from others. */
    if (affordable(cache, size_class) < more && class->bytes <= cache->budget_bytes)
        take_from_donor(cache, size_class, departure);
    more = min_u64(more, affordable(cache, size_class));
    if (more > 0)
        set_capacity(cache, size_class, capacity + more);
}

/* ---- misses ---- */

static void answer_drain_request(void)
{
    const struct cpu_cache *cache = cpu_cache_here();
    if (unlikely(atomic_load_acquire(&cache->drain_asked)))
        cpu_cache_drain_own();
}

void *cpu_cache_alloc_missed(unsigned size_class)
{
    answer_drain_request();
    void *objects[SIZE_CLASS_BATCH_MAX];
    size_t wanted = cpu_cache_here()->online ? size_classes[size_class].batch : 1;
    size_t count = transfer_cache_alloc(size_class, wanted, objects);
    if (unlikely(count == 0))
        return NULL;
    struct departure departure;
    departure.count = 0;
    irq_state irq = quarry_port_irq_save();
    struct cpu_cache *cache = cpu_cache_here();
    if (cache->online)
        grant(cache, size_class, &departure);
    size_t kept = push_many(cache, size_class, count - 1, objects + 1);
    quarry_port_irq_restore(irq);
    depart(&departure);
    if (kept < count - 1)
        transfer_cache_free(size_class, count - 1 - kept, objects + 1 + kept);
    return objects[0];
}

void cpu_cache_free_missed(unsigned size_class, void *object)
{
    answer_drain_request();
    struct departure donated;
    struct departure batch;
    donated.count = batch.count = 0;
    batch.size_class = size_class;
    irq_state irq = quarry_port_irq_save();
    struct cpu_cache *cache = cpu_cache_here();
    if (cache->online)
        grant(cache, size_class, &donated);
    bool pushed = push_many(cache, size_class, 1, &object) == 1;
    if (!pushed) {
        /* The batch leaves room: at least one object of it comes off the stack, if any is there. */
        size_t most = size_classes[size_class].batch;
        batch.count = pop_many(cache, size_class, most, batch.objects);
        pushed = push_many(cache, size_class, 1, &object) == 1;
    }
    quarry_port_irq_restore(irq);
    depart(&donated);
    depart(&batch);
    if (!pushed)
        transfer_cache_free(size_class, 1, &object);
}

/* ---- coming and going ---- */

size_t cpu_caches_boot_bytes(unsigned cpus)
{
    return cpus * sizeof(struct cpu_cache) + 64;
}

static void close_stacks(struct cpu_cache *cache)
{
    atomic_store_release(&cache->online, false);
    cache->door[0] = NULL;
    cache->door[1] = QUARRY_MAGAZINE_END;
    for (unsigned i = 0; i < SIZE_CLASS_COUNT; i++) {
        cache->capacity[i] = cache->room[i] = 0;
        if (cache->block != NULL)
            cache->block->top[i] = &cache->door[0];
    }
    cache->granted_bytes = 0;
    cache->next_donor = 1;
}

void cpu_caches_init(struct boot_memory *boot, unsigned cpus)
{
    caches = boot_memory_alloc_cleared(boot, cpus * sizeof(struct cpu_cache));
    cache_count = cpus;
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        caches[cpu].cpu = cpu;
        close_stacks(&caches[cpu]);
    }
}

void cpu_caches_set_budget(size_t memory_bytes)
{
    size_t share = memory_bytes / QUARRY_CACHE_SHARE / cache_count;
    size_t budget = min_u64(max_u64(share, BUDGET_BYTES_MIN), QUARRY_CACHE_BYTES_MAX);
    for (unsigned cpu = 0; cpu < cache_count; cpu++)
        caches[cpu].budget_bytes = budget;
}

unsigned cpu_cache_count(void)
{
    return cache_count;
}

struct cpu_cache *cpu_cache_of(unsigned cpu)
{
    return &caches[cpu];
}

void cpu_cache_bind(struct cpu_cache *cache)
{
    cache->block = quarry_port_cpu();
    cache->block->cache = cache;
    close_stacks(cache);
    frame_cache_bind(cache->cpu, cache->block);
}

bool cpu_cache_open(struct cpu_cache *cache)
{
    size_t first = frame_allocator_alloc_range(&frames.allocator, AREA_FRAMES, 1, 0);
    if (first == NO_FRAME)
        return false;
    cache->area = frame_address(first);
    memory_clear(cache->area, AREA_FRAMES * FRAME_BYTES);
    for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++) {
        cache->bottom[i] = cache->block->top[i] = first_array(cache, i);
        cache->room[i] = size_classes[i].first_slots;
        set_capacity(cache, i, 0);
    }
    frame_cache_open(cache->cpu);
    atomic_store_release(&cache->online, true);
    return true;
}

static void drain_class(struct cpu_cache *cache, unsigned size_class)
{
    void *objects[SIZE_CLASS_BATCH_MAX];
    size_t count;
    while ((count = pop_many(cache, size_class, SIZE_CLASS_BATCH_MAX, objects)) > 0)
        central_list_free(size_class, count, objects);
    if (cache->online)
        narrow(cache, size_class);
}

/* Interrupts are off, or the CPU is dead. Returns the single frames that were cached. */
static size_t drain(struct cpu_cache *cache)
{
    quarantine_drain(cache);
    for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++)
        drain_class(cache, i);
    size_t cached_frames = frame_cache_drain(cache->cpu);
    atomic_store_release(&cache->drain_asked, false);
    return cached_frames;
}

size_t cpu_cache_drain_own(void)
{
    size_t cached_frames = 0;
    irq_state irq = quarry_port_irq_save();
    struct cpu_cache *cache = cpu_cache_here();
    if (cache != NULL) /* frames may be asked for on a CPU that was never online */
        cached_frames = drain(cache);
    quarry_port_irq_restore(irq);
    return cached_frames;
}

/* Whether the stack stood at the same height for some steps. Its neighbours may be busy: a few
 * objects of a size that nobody asks for any more would keep whole arenas from being idle. */
static bool is_idle(struct cpu_cache *cache, unsigned stack)
{
    void **top = cache->block->top[stack];
    if (top != cache->top_seen[stack])
        cache->idle_steps[stack] = 0;
    else if (cache->idle_steps[stack] < IDLE_STEPS_MAX)
        cache->idle_steps[stack]++;
    cache->top_seen[stack] = top;
    return cache->idle_steps[stack] == IDLE_STEPS_MAX;
}

static void drain_idle_stacks(struct cpu_cache *cache)
{
    bool all_idle = true;
    for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++) {
        if (is_idle(cache, i))
            drain_class(cache, i);
        else
            all_idle = false;
    }
    if (is_idle(cache, FRAME_MAGAZINE))
        frame_cache_drain(cache->cpu);
    if (all_idle)
        quarantine_drain(cache);
}

void cpu_cache_drain_if_idle(void)
{
    irq_state irq = quarry_port_irq_save();
    struct cpu_cache *cache = cpu_cache_here();
    if (cache != NULL && cache->online)
        drain_idle_stacks(cache);
    quarry_port_irq_restore(irq);
}

void cpu_cache_close(struct cpu_cache *cache)
{
    irq_state irq = quarry_port_irq_save();
    drain(cache);
    frame_cache_close(cache->cpu);
    close_stacks(cache);
    frame_allocator_free_range(&frames.allocator, quarry_port_cpu_number(), frame_at(cache->area),
                               AREA_FRAMES);
    cache->area = NULL;
    quarry_port_irq_restore(irq);
}

void cpu_cache_verify(const struct cpu_cache *cache)
{
    CHECK(cache->door[0] == NULL && cache->door[1] == QUARRY_MAGAZINE_END &&
              (cache->block == NULL || cache->block->top[0] == &cache->door[0]),
          "quarry: the door of cpu %u is not shut", cache->cpu);
    if (!cache->online)
        return;
    size_t granted = 0;
    for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++) {
        void **bottom = cache->bottom[i];
        size_t held = cpu_cache_held(cache, i);
        CHECK(bottom[0] == NULL && held <= cache->capacity[i] &&
                  cache->capacity[i] <= cache->room[i] &&
                  bottom[cache->capacity[i] + 1] == QUARRY_MAGAZINE_END,
              "quarry: the stack of cpu %u, class %u, holds %zu of %u, sentinels %p %p", cache->cpu,
              i, held, cache->capacity[i], bottom[0], bottom[cache->capacity[i] + 1]);
        granted += (size_t)cache->capacity[i] * size_classes[i].bytes;
    }
    CHECK(granted == cache->granted_bytes && granted <= cache->budget_bytes,
          "quarry: the cache of cpu %u was granted %zu bytes, counts %zu, may have %zu", cache->cpu,
          granted, cache->granted_bytes, cache->budget_bytes);
}
