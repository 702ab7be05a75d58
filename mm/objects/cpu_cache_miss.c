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
    if (evicted->count > 0)
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

/* One more batch of capacity for an id that missed, as far as its places and the budget go. */
static void grant(struct cpu_cache *cache, unsigned cache_id, struct evicted_batch *evicted)
{
    const struct cache_shape *shape = &cache_shapes[cache_id];
    struct magazine *magazine = &cache->magazines[cache_id];
    void ***top = cpu_cache_top(cache, cache_id);
    size_t capacity = magazine->capacity;
    if (capacity == magazine->places && capacity < shape->magazine_max &&
        magazine_held(magazine, *top) == 0)
        magazine_grow(magazine, top, cpu_cache_first_array(cache, cache_id), shape->magazine_max);
    size_t more = min_u64(shape->batch, magazine->places - capacity);
    /* An object larger than the whole budget cannot be paid for by others. */
    if (affordable(cache, shape->object_bytes) < more && shape->object_bytes <= cache->budget_bytes)
        take_capacity(cache, cache_id, evicted);
    more = min_u64(more, affordable(cache, shape->object_bytes));
    if (more > 0)
        cpu_cache_set_capacity(cache, cache_id, capacity + more);
}

/* ---- misses ---- */

void *cpu_cache_alloc_missed(unsigned cache_id)
{
    cpu_cache_drain_if_requested();
    void *objects[CACHE_BATCH_MAX];
    size_t wanted = cpu_cache_here()->online ? cache_shapes[cache_id].batch : 1;
    size_t count = transfer_cache_alloc(cache_id, wanted, objects);
    if (unlikely(count == 0))
        return NULL;
    struct evicted_batch evicted;
    evicted.count = 0;
    size_t kept = 0;
    irq_state irq = quarry_port_irq_save();
    struct cpu_cache *cache = cpu_cache_here();
    if (cache->online) {
        grant(cache, cache_id, &evicted);
        kept = magazine_push_many(&cache->magazines[cache_id], cpu_cache_top(cache, cache_id),
                                  count - 1, objects + 1);
    }
    quarry_port_irq_restore(irq);
    flush(&evicted);
    if (kept < count - 1)
        transfer_cache_free(cache_id, count - 1 - kept, objects + 1 + kept);
    return objects[0];
}

/* Pushes the object; if the magazine is still full, after a batch was popped from it. */
static bool push_making_room(const struct cpu_cache *cache, void *object,
                             struct evicted_batch *batch)
{
    const struct magazine *magazine = &cache->magazines[batch->cache_id];
    void ***top = cpu_cache_top(cache, batch->cache_id);
    if (magazine_push_many(magazine, top, 1, &object) == 1)
        return true;
    batch->count =
        magazine_pop_many(magazine, top, cache_shapes[batch->cache_id].batch, batch->objects);
    return magazine_push_many(magazine, top, 1, &object) == 1;
}

void cpu_cache_free_missed(unsigned cache_id, void *object)
{
    cpu_cache_drain_if_requested();
    struct evicted_batch donated;
    struct evicted_batch batch;
    donated.count = batch.count = 0;
    batch.cache_id = cache_id;
    bool pushed = false;
    irq_state irq = quarry_port_irq_save();
    struct cpu_cache *cache = cpu_cache_here();
    if (cache->online) {
        grant(cache, cache_id, &donated);
        pushed = push_making_room(cache, object, &batch);
    }
    quarry_port_irq_restore(irq);
    flush(&donated);
    flush(&batch);
    if (!pushed)
        transfer_cache_free(cache_id, 1, &object);
}
