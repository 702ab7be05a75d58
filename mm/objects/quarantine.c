/* SPDX-License-Identifier: MIT */
/* The ring of freed objects; see quarantine.h. */
#include "mm/objects/quarantine.h"

#if QUARRY_HARDEN

#include "mm/objects/central_list.h"
#include "mm/pages/page_map.h"

void *quarantine_exchange(struct quarantine *quarantine, void *object)
{
    void **place = &quarantine->objects[quarantine->next];
    quarantine->next = (quarantine->next + 1) % QUARRY_QUARANTINE_OBJECTS;
    void *oldest = *place;
    *place = object;
    return oldest;
}

void quarantine_drain(struct quarantine *quarantine)
{
    for (unsigned i = 0; i < QUARRY_QUARANTINE_OBJECTS; i++) {
        void *object = quarantine->objects[i];
        quarantine->objects[i] = NULL;
        if (object != NULL)
            central_list_free(page_map_cache_id(object), 1, &object);
    }
}

size_t quarantine_held(const struct quarantine *quarantine, unsigned cache_id)
{
    size_t held = 0;
    for (unsigned i = 0; i < QUARRY_QUARANTINE_OBJECTS; i++) {
        const void *object = quarantine->objects[i];
        held += object != NULL && page_map_cache_id(object) == cache_id;
    }
    return held;
}

#endif
