/* SPDX-License-Identifier: MIT */
/* Objects on their way between CPUs; see transfer_cache.h. */
#include "mm/objects/transfer_cache.h"

#include "lib/atomic.h"
#include "lib/memory.h"
#include "mm/frames/boot_memory.h"
#include "mm/frames/frame_api.h"
#include "mm/objects/central_list.h"
#include "mm/objects/size_class.h"

#define ARRAY_ORDER_MAX 2u

static struct transfer_cache transfer_caches[SIZE_CLASS_COUNT];
static size_t budget_bytes;  /* of objects in arrays beyond the first ones */
static size_t granted_bytes; /* atomic; may be beyond the budget for a moment */

static size_t capacity_of(unsigned size_class)
{
    const struct size_class *class = &size_classes[size_class];
    return min_u64((size_t) class->batch * QUARRY_TRANSFER_BATCHES,
                   QUARRY_TRANSFER_BYTES / class->bytes);
}

size_t transfer_caches_boot_bytes(void)
{
    size_t bytes = 0;
    for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++)
        bytes += capacity_of(i) * sizeof(void *);
    return bytes + 64;
}

void transfer_caches_init(struct boot_memory *boot)
{
    void **area = boot_memory_alloc(boot, transfer_caches_boot_bytes() - 64);
    for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++) {
        transfer_caches[i] =
            (struct transfer_cache){.capacity = capacity_of(i), .objects = area, .first = area};
        spinlock_init(&transfer_caches[i].lock, LOCK_RANK_TRANSFER_CACHE);
        area += capacity_of(i);
    }
}

void transfer_caches_set_budget(size_t memory_bytes)
{
    budget_bytes = memory_bytes / QUARRY_CACHE_SHARE;
    granted_bytes = 0;
}

/* ---- room; the lock is held ---- */

static size_t array_capacity(unsigned order)
{
    return (FRAME_BYTES << order) / sizeof(void *);
}

static unsigned array_order(size_t capacity)
{
    unsigned order = 0;
    while (array_capacity(order) < capacity)
        order++;
    return order;
}

/* Objects' bytes in an array of this capacity instead of the first one. */
static size_t extra_bytes(unsigned size_class, size_t capacity)
{
    return (capacity - capacity_of(size_class)) * size_classes[size_class].bytes;
}

static void move_to(struct transfer_cache *transfer, void **array, size_t capacity)
{
    memory_copy(array, transfer->objects, transfer->count * sizeof(void *));
    if (transfer->objects != transfer->first)
        frame_allocator_free(&frames.allocator, quarry_port_cpu_number(),
                             frame_at(transfer->objects), array_order(transfer->capacity));
    transfer->objects = array;
    transfer->capacity = capacity;
}

/* Moves to the next longer array, if there is one, memory for it, and budget for what it holds. */
static void widen(struct transfer_cache *transfer, unsigned size_class)
{
    unsigned order = array_order(transfer->capacity + 1);
    if (order > ARRAY_ORDER_MAX || size_classes[size_class].batch == 1)
        return; /* and what has a span each is better used as pages */
    size_t more = extra_bytes(size_class, array_capacity(order)) -
                  extra_bytes(size_class, transfer->capacity);
    size_t frame = NO_FRAME;
    if (atomic_fetch_add(&granted_bytes, more) + more <= budget_bytes)
        frame = frame_allocator_alloc(&frames.allocator, quarry_port_cpu_number(), order);
    if (frame != NO_FRAME)
        move_to(transfer, frame_address(frame), array_capacity(order));
    else
        atomic_fetch_sub(&granted_bytes, more);
}

/* Moves back to the first array, if what is left fits there. */
static void narrow(struct transfer_cache *transfer, unsigned size_class)
{
    size_t first = capacity_of(size_class);
    if (transfer->objects == transfer->first || transfer->count > first)
        return;
    atomic_fetch_sub(&granted_bytes, extra_bytes(size_class, transfer->capacity));
    move_to(transfer, transfer->first, first);
}

/* ---- taking and giving ---- */

static size_t take_waiting(struct transfer_cache *transfer, size_t count, void *objects[])
{
    irq_state irq = spinlock_acquire(&transfer->lock);
    size_t taken = min_u64(count, transfer->count);
    transfer->count -= taken;
    transfer->fewest = min_u64(transfer->fewest, transfer->count);
    memory_copy(objects, &transfer->objects[transfer->count], taken * sizeof(void *));
    spinlock_release(&transfer->lock, irq);
    return taken;
}

size_t transfer_cache_alloc(unsigned size_class, size_t count, void *objects[])
{
    size_t taken = take_waiting(&transfer_caches[size_class], count, objects);
    return taken > 0 ? taken : central_list_alloc(size_class, count, objects);
}

void transfer_cache_free(unsigned size_class, size_t count, void *const objects[])
{
    struct transfer_cache *transfer = &transfer_caches[size_class];
    irq_state irq = spinlock_acquire(&transfer->lock);
    if (count > transfer->capacity - transfer->count)
        widen(transfer, size_class);
    size_t kept = min_u64(count, transfer->capacity - transfer->count);
    memory_copy(&transfer->objects[transfer->count], objects, kept * sizeof(void *));
    transfer->count += kept;
    spinlock_release(&transfer->lock, irq);
    if (kept < count)
        central_list_free(size_class, count - kept, objects + kept);
}

void transfer_cache_trim(unsigned size_class)
{
    struct transfer_cache *transfer = &transfer_caches[size_class];
    void *batch[SIZE_CLASS_BATCH_MAX];
    irq_state irq = spinlock_acquire(&transfer->lock);
    size_t surplus = transfer->fewest;
    transfer->fewest = transfer->count - surplus;
    spinlock_release(&transfer->lock, irq);
    while (surplus > 0) {
        size_t taken = take_waiting(transfer, min_u64(surplus, SIZE_CLASS_BATCH_MAX), batch);
        if (taken == 0)
            break;
        central_list_free(size_class, taken, batch);
        surplus -= taken;
    }
}

void transfer_cache_drain(unsigned size_class)
{
    void *batch[SIZE_CLASS_BATCH_MAX];
    size_t taken;
    while ((taken = take_waiting(&transfer_caches[size_class], SIZE_CLASS_BATCH_MAX, batch)) > 0)
        central_list_free(size_class, taken, batch);
    struct transfer_cache *transfer = &transfer_caches[size_class];
    irq_state irq = spinlock_acquire(&transfer->lock);
    narrow(transfer, size_class);
    spinlock_release(&transfer->lock, irq);
}

size_t transfer_cache_count(unsigned size_class)
{
    struct transfer_cache *transfer = &transfer_caches[size_class];
    irq_state irq = spinlock_acquire(&transfer->lock);
    size_t count = transfer->count;
    spinlock_release(&transfer->lock, irq);
    return count;
}
