/* SPDX-License-Identifier: MIT */
/*
 * Misses of the per-CPU caches, and the capacity that magazines gain and lose by them; see
 * cpu_cache.h.
 *
 * Interrupts are masked while the magazine changes, and not while the transfer cache works: that
 * would be for as long as the central list and the page heap need. So the thread may be on another
 * CPU after it has got its objects; each part finds out where it is.
 */
#include "lib/atomic.h"
#include "mm/objects/cpu_cache.h"
#include "mm/objects/transfer_cache.h"

/* Objects that leave a magazine, freed to the transfer cache when interrupts are restored. */
struct evicted_batch {
    unsigned cache_id;
    size_t count;
    void *objects[CACHE_BATCH_MAX];
};

static void flush(const struct evicted_batch *evicted)
{
    /* cppcheck-suppress ctuuninitvar ; `count` is always set, and bounds the rest */
    transfer_cache_free(evicted->cache_id, evicted->count, evicted->objects);
}

/* ---- capacity ---- */

/* Takes a batch of capacity from the next id that has some, other than `receiver`. */
static void take_capacity(struct cpu_cache *cache, unsigned receiver, struct evicted_batch *evicted)
{
    unsigned ids = cache_id_count();
    for (unsigned tries = 1; tries < ids; tries++) {
        unsigned donor = cache->next_donor;
        cache->next_donor = (uint16_t)(donor + 1 < ids ? donor + 1 : 1);
        const struct magazine *magazine = &cache->magazines[donor];
        if (donor == receiver || magazine->capacity == 0)
            continue;
        size_t batch = cache_shapes[donor].batch;
        size_t left = magazine->capacity > batch ? magazine->capacity - batch : 0;
        size_t held = cpu_cache_held(cache, donor);
        evicted->cache_id = donor;
        if (held > left)
            evicted->count = magazine_pop_many(magazine, cpu_cache_top(cache, donor), held - left,
                                               evicted->objects);
        cpu_cache_set_capacity(cache, donor, left);
        if (left == 0)
            cpu_cache_shrink(cache, donor);
        return;
    }
}

static size_t affordable(const struct cpu_cache *cache, size_t object_bytes)
{
    return (cache->budget_bytes - cache->granted_bytes) / object_bytes;
}

/* The capacity that a magazine gets for a miss: one more batch, as far as its places and the budget
 * go. The caller sets it. */
static size_t grant(struct cpu_cache *cache, unsigned cache_id, struct evicted_batch *evicted)
{
    const struct cache_shape *shape = &cache_shapes[cache_id];
    const struct magazine *magazine = &cache->magazines[cache_id];
    size_t more = min_u64(shape->batch, magazine->places - magazine->capacity);
    size_t paid_for = affordable(cache, shape->object_bytes);
    /* An object larger than the whole budget cannot be paid for by others. */
    if (paid_for < more && shape->object_bytes <= cache->budget_bytes) {
        take_capacity(cache, cache_id, evicted);
        paid_for = affordable(cache, shape->object_bytes);
    }
    more = min_u64(more, paid_for);
    cache->granted_bytes += more * shape->object_bytes;
    return magazine->capacity + more;
}

/* ---- misses ---- */

static struct cpu_cache *cache_here(void)
{
    return quarry_port_cpu()->cache;
}

/* Drains this CPU's cache if another CPU has requested it; returns whether the CPU is online. */
static bool begin_miss(void)
{
    const struct cpu_cache *cache = cache_here();
    if (unlikely(atomic_load_acquire(&cache->drain_requested)))
        cpu_cache_drain_own();
    return cache->online;
}

/* A full array that is empty of objects grows: an allocation misses an empty magazine. */
static void grow_if_full(struct cpu_cache *cache, unsigned cache_id)
{
    struct magazine *magazine = &cache->magazines[cache_id];
    void ***top = &cache->block->top[cache_id];
    size_t places_max = cache_shapes[cache_id].magazine_max;
    if (magazine->capacity == magazine->places && magazine->capacity < places_max &&
        *top == magazine->bottom)
        magazine_grow(magazine, top, cpu_cache_first_array(cache, cache_id), places_max);
}

void *cpu_cache_alloc_missed(unsigned cache_id)
{
    void *objects[CACHE_BATCH_MAX];
    size_t wanted = begin_miss() ? cache_shapes[cache_id].batch : 1;
    size_t count = transfer_cache_alloc(cache_id, wanted, objects);
    if (unlikely(count == 0))
        return NULL;
    struct evicted_batch evicted;
    evicted.count = 0;
    size_t kept = 0;
    irq_state irq = quarry_port_irq_save();
    struct cpu_cache *cache = cache_here();
    if (cache->online) {
        grow_if_full(cache, cache_id);
        kept = magazine_fill(&cache->magazines[cache_id], &cache->block->top[cache_id],
                             grant(cache, cache_id, &evicted), count - 1, objects + 1);
    }
    quarry_port_irq_restore(irq);
    if (evicted.count > 0)
        flush(&evicted);
    if (kept < count - 1)
        transfer_cache_free(cache_id, count - 1 - kept, objects + 1 + kept);
    return objects[0];
}

/* Pushes the object with this capacity; if the magazine is still full, after a batch was popped. */
static bool push_making_room(struct cpu_cache *cache, size_t capacity, void *object,
                             struct evicted_batch *batch)
{
    struct magazine *magazine = &cache->magazines[batch->cache_id];
    void ***top = &cache->block->top[batch->cache_id];
    if (magazine_fill(magazine, top, capacity, 1, &object) == 1)
        return true;
    batch->count =
        magazine_pop_many(magazine, top, cache_shapes[batch->cache_id].batch, batch->objects);
    return magazine_fill(magazine, top, capacity, 1, &object) == 1;
}

void cpu_cache_free_missed(unsigned cache_id, void *object)
{
    begin_miss();
    struct evicted_batch donated;
    struct evicted_batch batch;
    donated.count = batch.count = 0;
    batch.cache_id = cache_id;
    bool pushed = false;
    irq_state irq = quarry_port_irq_save();
    struct cpu_cache *cache = cache_here();
    if (cache->online)
        pushed = push_making_room(cache, grant(cache, cache_id, &donated), object, &batch);
    quarry_port_irq_restore(irq);
    if (donated.count > 0)
        flush(&donated);
    if (batch.count > 0)
        flush(&batch);
    if (!pushed)
        transfer_cache_free(cache_id, 1, &object);
}
