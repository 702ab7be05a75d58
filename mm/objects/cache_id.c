/* SPDX-License-Identifier: MIT */
/* The shapes of the plain ids; see cache_id.h. */
#include "mm/objects/cache_id.h"

#include "mm/objects/magazine.h"

struct cache_shape cache_shapes[CACHE_IDS];
unsigned cache_ids_created;

static size_t area_words;

struct cache_shape cache_shape_for(size_t object_bytes, size_t span_pages)
{
    size_t batch = 1;
    if (2 * object_bytes <= span_pages * FRAME_BYTES)
        batch = max_u64(2, min_u64(CACHE_BATCH_MAX, CACHE_BATCH_BYTES / object_bytes));
    size_t most = min_u64(MAGAZINE_PLACES_MAX, MAGAZINE_BYTES_MAX / object_bytes);
    return (struct cache_shape){
        .object_bytes = (uint32_t)object_bytes,
        .span_pages = (uint16_t)span_pages,
        .magazine_max = (uint16_t)max_u64(2 * batch, most),
        .magazine_first = (uint8_t)(2 * batch),
        .batch = (uint8_t)batch,
    };
}

void cache_ids_init(void)
{
    area_words = 0;
    for (unsigned id = 1; id < SIZE_CLASS_COUNT; id++) {
        struct cache_shape shape =
            cache_shape_for(size_classes[id].bytes, size_classes[id].span_pages);
        shape.first_place = (uint16_t)area_words;
        cache_shapes[id] = shape;
        area_words += shape.magazine_first + MAGAZINE_SENTINELS;
    }
    atomic_store_release(&cache_ids_created, SIZE_CLASS_COUNT);
}

size_t cache_area_words(void)
{
    return area_words;
}
