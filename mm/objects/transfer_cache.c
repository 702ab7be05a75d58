/* SPDX-License-Identifier: MIT */
/* Objects on their way between CPUs; see transfer_cache.h. */
#include "mm/objects/transfer_cache.h"

#include "lib/memory.h"
#include "mm/frames/boot_memory.h"
#include "mm/objects/central_list.h"
#include "mm/objects/size_class.h"

static struct transfer_cache transfer_caches[SIZE_CLASS_COUNT];

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
    void **area = boot_memory_take(boot, transfer_caches_boot_bytes() - 64);
    for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++) {
        transfer_caches[i] = (struct transfer_cache){.capacity = capacity_of(i), .objects = area};
        spinlock_init(&transfer_caches[i].lock, LOCK_RANK_TRANSFER_CACHE);
        area += capacity_of(i);
    }
}

static size_t take_waiting(struct transfer_cache *transfer, size_t count, void *objects[])
{
    irq_state irq = spinlock_acquire(&transfer->lock);
    size_t taken = min_u64(count, transfer->count);
    transfer->count -= taken;
    memory_copy(objects, &transfer->objects[transfer->count], taken * sizeof(void *));
    spinlock_release(&transfer->lock, irq);
    return taken;
}

size_t transfer_cache_take(unsigned size_class, size_t count, void *objects[])
{
    size_t taken = take_waiting(&transfer_caches[size_class], count, objects);
    return taken > 0 ? taken : central_list_take(size_class, count, objects);
}

void transfer_cache_give(unsigned size_class, size_t count, void *const objects[])
{
    struct transfer_cache *transfer = &transfer_caches[size_class];
    irq_state irq = spinlock_acquire(&transfer->lock);
    size_t kept = min_u64(count, transfer->capacity - transfer->count);
    memory_copy(&transfer->objects[transfer->count], objects, kept * sizeof(void *));
    transfer->count += kept;
    spinlock_release(&transfer->lock, irq);
    if (kept < count)
        central_list_give(size_class, count - kept, objects + kept);
}

void transfer_cache_drain(unsigned size_class)
{
    void *batch[SIZE_CLASS_BATCH_MAX];
    size_t taken;
    while ((taken = take_waiting(&transfer_caches[size_class], SIZE_CLASS_BATCH_MAX, batch)) > 0)
        central_list_give(size_class, taken, batch);
}

size_t transfer_cache_count(unsigned size_class)
{
    struct transfer_cache *transfer = &transfer_caches[size_class];
    irq_state irq = spinlock_acquire(&transfer->lock);
    size_t count = transfer->count;
    spinlock_release(&transfer->lock, irq);
    return count;
}
