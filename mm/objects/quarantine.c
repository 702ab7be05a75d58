/* SPDX-License-Identifier: MIT */
/* Freed objects wait; see quarantine.h. */
#include "mm/objects/quarantine.h"

#include "lib/spinlock.h"
#include "mm/objects/central_list.h"
#include "mm/pages/page_map.h"

#if QUARRY_HARDEN
void *quarantine_exchange(void *object)
{
    if (size_classes[page_map_cache_id(object)].bytes > QUARRY_QUARANTINE_BYTES_MAX)
        return object;
    irq_state irq = quarry_port_irq_save();
    struct cpu_cache *cache = cpu_cache_here();
    void *oldest = object;
    if (cache->online) { /* else nobody would drain it */
        void **place = &cache->quarantine[cache->quarantine_next];
        cache->quarantine_next = (cache->quarantine_next + 1) % QUARRY_QUARANTINE_OBJECTS;
        oldest = *place;
        *place = object;
    }
    quarry_port_irq_restore(irq);
    return oldest;
}
#endif

void quarantine_drain(struct cpu_cache *cache)
{
#if QUARRY_HARDEN
    for (unsigned i = 0; i < QUARRY_QUARANTINE_OBJECTS; i++) {
        void *object = cache->quarantine[i];
        cache->quarantine[i] = NULL;
        if (object != NULL)
            central_list_free(page_map_cache_id(object), 1, &object);
    }
#else
    (void)cache;
#endif
}

size_t quarantine_held(const struct cpu_cache *cache, unsigned size_class)
{
    size_t held = 0;
#if QUARRY_HARDEN
    for (unsigned i = 0; i < QUARRY_QUARANTINE_OBJECTS; i++) {
        const void *object = cache->quarantine[i];
        held += object != NULL && page_map_cache_id(object) == size_class;
    }
#else
    (void)cache, (void)size_class;
#endif
    return held;
}
