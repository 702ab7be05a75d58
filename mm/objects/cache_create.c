/* SPDX-License-Identifier: MIT */
/* Further cache ids; see cache_create.h. */
#include "mm/objects/cache_create.h"

#include "lib/check.h"
#include "lib/spinlock.h"
#include "mm/objects/transfer_cache.h"

static struct spinlock lock;

void cache_create_init(void)
{
    spinlock_init(&lock, LOCK_RANK_CACHE_CREATE);
}

/* The lock is held. The central list of each id exists from the start. */
static unsigned create(const struct cache_shape *shape)
{
    unsigned id = cache_id_count();
    if (id == CACHE_IDS)
        return 0;
    cache_shapes[id] = *shape;
    cache_shapes[id].magazine_first = 0;
    if (!transfer_cache_create(id))
        return 0;
    atomic_store_release(&cache_ids_created, id + 1);
    return id;
}

unsigned cache_create(const struct cache_shape *shape)
{
    ASSERT(shape->batch >= 1 && shape->batch <= CACHE_BATCH_MAX &&
           shape->magazine_max >= shape->batch && shape->object_bytes % 8 == 0);
    irq_state irq = spinlock_acquire(&lock);
    unsigned id = create(shape);
    spinlock_release(&lock, irq);
    return id;
}
