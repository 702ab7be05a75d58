/* SPDX-License-Identifier: MIT */
/* Batches of objects between CPUs; see transfer_cache.h. */
#include "mm/objects/transfer_cache.h"

#include "lib/atomic.h"
#include "lib/memory.h"
#include "mm/frames/boot_memory.h"
#include "mm/objects/cache_id.h"
#include "mm/objects/central_list.h"
#include "mm/objects/pointer_array.h"

#define ARRAY_ORDER_MAX 2u

static struct transfer_cache transfer_caches[CACHE_IDS];
static size_t budget_bytes;  /* of objects in arrays beyond the first ones */
static size_t granted_bytes; /* atomic; may be beyond the budget for a moment */

/* The capacity of the first array. */
static size_t first_capacity(unsigned cache_id)
{
    const struct cache_shape *shape = &cache_shapes[cache_id];
    return min_u64((size_t)shape->batch * QUARRY_TRANSFER_BATCHES,
                   QUARRY_TRANSFER_BYTES / shape->object_bytes);
}

static size_t plain_capacity(void)
{
    size_t words = 0;
    for (unsigned id = 1; id < SIZE_CLASS_COUNT; id++)
        words += first_capacity(id);
    return words;
}

size_t transfer_caches_boot_bytes(void)
{
    return boot_memory_bound(plain_capacity() * sizeof(void *));
}

static void cache_init(unsigned cache_id, void **first)
{
    transfer_caches[cache_id] = (struct transfer_cache){.capacity = first_capacity(cache_id),
                                                        .objects = first,
                                                        .first = first};
    spinlock_init(&transfer_caches[cache_id].lock, LOCK_RANK_TRANSFER_CACHE);
}

void transfer_caches_init(struct boot_memory *boot)
{
    void **area = boot_memory_alloc(boot, plain_capacity() * sizeof(void *));
    for (unsigned id = 1; id < SIZE_CLASS_COUNT; id++) {
        cache_init(id, area);
        area += first_capacity(id);
    }
}

_Static_assert(CACHE_BATCH_MAX *QUARRY_TRANSFER_BATCHES <= FRAME_BYTES / sizeof(void *),
               "a first array fits a page");

bool transfer_cache_create(unsigned cache_id)
{
    void **first = pointer_array_alloc(0);
    if (first == NULL)
        return false;
    cache_init(cache_id, first);
    return true;
}

void transfer_caches_set_budget(size_t memory_bytes)
{
    budget_bytes = memory_bytes / QUARRY_TRANSFER_SHARE;
    granted_bytes = 0;
}

/* ---- capacity; the lock is held ---- */

/* Bytes of the objects that a longer array may hold beyond the first one. */
static size_t extra_bytes(unsigned cache_id, size_t capacity)
{
    return (capacity - first_capacity(cache_id)) * cache_shapes[cache_id].object_bytes;
}

static void move_to(struct transfer_cache *transfer, void **array, size_t capacity)
{
    memory_copy(array, transfer->objects, transfer->count * sizeof(void *));
    if (transfer->objects != transfer->first)
        pointer_array_free(transfer->objects, pointer_array_order(transfer->capacity));
    transfer->objects = array;
    transfer->capacity = capacity;
}

/* Moves to the next longer array, if there is one, memory for it, and budget for its objects. */
static void grow(struct transfer_cache *transfer, unsigned cache_id)
{
    unsigned order = pointer_array_order(transfer->capacity + 1);
    size_t capacity = pointer_array_words(order);
    /* Objects with a span each are of more use as pages. */
    if (order > ARRAY_ORDER_MAX || cache_shapes[cache_id].batch == 1 ||
        capacity * cache_shapes[cache_id].object_bytes > QUARRY_TRANSFER_BYTES_MAX)
        return;
    size_t more = extra_bytes(cache_id, capacity) - extra_bytes(cache_id, transfer->capacity);
    void **array = NULL;
    if (atomic_fetch_add(&granted_bytes, more) + more <= budget_bytes)
        array = pointer_array_alloc(order);
    if (array != NULL)
        move_to(transfer, array, capacity);
    else
        atomic_fetch_sub(&granted_bytes, more);
}

/* Moves back to the first array, if the remaining objects fit there. */
static void shrink(struct transfer_cache *transfer, unsigned cache_id)
{
    size_t first = first_capacity(cache_id);
    if (transfer->objects == transfer->first || transfer->count > first)
        return;
    atomic_fetch_sub(&granted_bytes, extra_bytes(cache_id, transfer->capacity));
    move_to(transfer, transfer->first, first);
}

/* ---- allocation and freeing ---- */

static size_t alloc_cached(struct transfer_cache *transfer, size_t count, void *objects[])
{
    irq_state irq = spinlock_acquire(&transfer->lock);
    size_t allocated = min_u64(count, transfer->count);
    transfer->count -= allocated;
    transfer->fewest = min_u64(transfer->fewest, transfer->count);
    memory_copy(objects, &transfer->objects[transfer->count], allocated * sizeof(void *));
    spinlock_release(&transfer->lock, irq);
    return allocated;
}

size_t transfer_cache_alloc(unsigned cache_id, size_t count, void *objects[])
{
    size_t allocated = alloc_cached(&transfer_caches[cache_id], count, objects);
    return allocated > 0 ? allocated : central_list_alloc(cache_id, count, objects);
}

void transfer_cache_free(unsigned cache_id, size_t count, void *const objects[])
{
    struct transfer_cache *transfer = &transfer_caches[cache_id];
    irq_state irq = spinlock_acquire(&transfer->lock);
    if (count > transfer->capacity - transfer->count)
        grow(transfer, cache_id);
    size_t kept = min_u64(count, transfer->capacity - transfer->count);
    memory_copy(&transfer->objects[transfer->count], objects, kept * sizeof(void *));
    transfer->count += kept;
    spinlock_release(&transfer->lock, irq);
    if (kept < count)
        central_list_free(cache_id, count - kept, objects + kept);
}

/* ---- what is not needed ---- */

/* Moves up to `surplus` objects to the central list. */
static void evict(unsigned cache_id, size_t surplus)
{
    void *batch[CACHE_BATCH_MAX];
    while (surplus > 0) {
        size_t evicted =
            alloc_cached(&transfer_caches[cache_id], min_u64(surplus, CACHE_BATCH_MAX), batch);
        if (evicted == 0)
            return;
        central_list_free(cache_id, evicted, batch);
        surplus -= evicted;
    }
}

static void shrink_locked(unsigned cache_id)
{
    struct transfer_cache *transfer = &transfer_caches[cache_id];
    irq_state irq = spinlock_acquire(&transfer->lock);
    shrink(transfer, cache_id);
    spinlock_release(&transfer->lock, irq);
}

void transfer_cache_trim(unsigned cache_id)
{
    struct transfer_cache *transfer = &transfer_caches[cache_id];
    irq_state irq = spinlock_acquire(&transfer->lock);
    size_t surplus = transfer->fewest;
    transfer->fewest = transfer->count - surplus;
    spinlock_release(&transfer->lock, irq);
    if (surplus == 0)
        return;
    evict(cache_id, surplus);
    shrink_locked(cache_id);
}

void transfer_cache_drain(unsigned cache_id)
{
    evict(cache_id, SIZE_MAX);
    shrink_locked(cache_id);
}

size_t transfer_cache_count(unsigned cache_id)
{
    struct transfer_cache *transfer = &transfer_caches[cache_id];
    irq_state irq = spinlock_acquire(&transfer->lock);
    size_t count = transfer->count;
    spinlock_release(&transfer->lock, irq);
    return count;
}
