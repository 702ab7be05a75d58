/* SPDX-License-Identifier: MIT */
/* Spans and their slots; see span.h. */
#include "mm/pages/span.h"

#include "lib/bits.h"
#include "lib/check.h"
#include "lib/memory.h"
#include "mm/pages/metadata_pool.h"
#include "mm/pages/page_heap.h"

/* ---- descriptors ---- */

enum { POOL_COUNT = 3, BITMAPS = QUARRY_HARDEN ? 2 : 1 };

static const uint16_t pool_slots[POOL_COUNT] = {SPAN_SLOTS_SHORT, SPAN_SLOTS_MEDIUM,
                                                SPAN_SLOTS_MAX};
static struct metadata_pool pools[POOL_COUNT];

void span_init(void)
{
    for (unsigned i = 0; i < POOL_COUNT; i++)
        metadata_pool_init(&pools[i], sizeof(struct span) + pool_slots[i] / 8 * BITMAPS);
}

/* The heap of the node whose memory this CPU uses first. */
static struct page_heap *heap_here(void)
{
    return &page_heaps[frame_node_here() - frames.nodes];
}

static struct span *descriptor_create(unsigned slots)
{
    unsigned pool = 0;
    while (pool + 1 < POOL_COUNT && pool_slots[pool] < slots)
        pool++;
    struct span *span = metadata_pool_alloc(&pools[pool]);
    if (span == NULL) {
        metadata_pool_feed(&pools[pool], page_heap_lend_page(heap_here()));
        span = metadata_pool_alloc(&pools[pool]);
    }
    if (span == NULL)
        return NULL;
    *span = (struct span){.slots = (uint16_t)slots, .pool = (uint8_t)pool};
    list_init(&span->link);
    memory_clear(span->bitmap, divide_up(slots, WORD_BITS) * sizeof(uint64_t) * BITMAPS);
    return span;
}

static void descriptor_destroy(struct span *span)
{
    span_records_destroy(span);
    metadata_pool_free(&pools[span->pool], span);
}

/* ---- spans ---- */

static bool span_alloc_pages(struct span *span, size_t pages, size_t align)
{
    span->pages = pages;
    span->first_page = page_heap_alloc(heap_here(), pages, align, span);
    return span->first_page != NO_FRAME;
}

void span_publish(const struct span *span)
{
    page_map_set_cache_id(span->first_page, span->pages, span->cache_id);
}

struct span *span_create_small(unsigned cache_id, size_t object_bytes, size_t pages)
{
    size_t slots = pages * FRAME_BYTES / object_bytes;
    ASSERT(slots > 0 && slots <= SPAN_SLOTS_MAX);
    struct span *span = descriptor_create((unsigned)slots);
    if (span == NULL)
        return NULL;
    span->cache_id = (uint16_t)cache_id;
    span->object_bytes = (uint32_t)object_bytes;
    bool recorded = !QUARRY_HARDEN || span_records_create(span);
    if (!recorded || !span_alloc_pages(span, pages, 1)) {
        descriptor_destroy(span);
        return NULL;
    }
    return span;
}

struct span *span_create_large(size_t pages, size_t align)
{
    struct span *span = descriptor_create(0);
    if (span == NULL)
        return NULL;
    span->kind = SPAN_LARGE;
    span->state = SPAN_ALLOCATED;
    if (span_alloc_pages(span, pages, align))
        return span;
    descriptor_destroy(span);
    return NULL;
}

void span_destroy(struct span *span)
{
    ASSERT(span->state != SPAN_PARTIAL && span->state != SPAN_FULL && span->used_slots == 0);
    if (span->cache_id != 0)
        page_map_set_cache_id(span->first_page, span->pages, 0);
    page_heap_free(span->first_page, span->pages);
    descriptor_destroy(span);
}

bool span_resize(struct span *span, size_t pages)
{
    size_t old = span->pages;
    if (pages > old) {
        if (!page_heap_extend(span->first_page, old, pages - old, span))
            return false;
    } else if (pages < old) {
        if (!page_heap_split(span->first_page + pages))
            return false;
        page_heap_free(span->first_page + pages, old - pages);
    }
    span->pages = pages;
    return true;
}

/* ---- slots ---- */

/* Appends the objects of the set bits of `free_slots` to `objects`, as long as there is room;
 * returns the bits that are left. `base` is the address of the object of bit 0. */
static uint64_t alloc_from_word(uint64_t free_slots, uintptr_t base, size_t object_bytes,
                                size_t count, void *objects[], size_t *allocated)
{
    while (free_slots != 0 && *allocated < count) {
        objects[(*allocated)++] = (void *)(base + bits_lowest(free_slots) * object_bytes);
        free_slots &= free_slots - 1;
    }
    return free_slots;
}

/* Each word of the bitmap is read once, inverted to a word of free slots, and written once. */
size_t span_alloc_slots(struct span *span, size_t count, void *objects[])
{
    size_t allocated = 0;
    size_t object_bytes = span->object_bytes;
    uintptr_t base = page_address(span->first_page);
    unsigned index = span->search_from;
    for (; index * WORD_BITS < span->slots; index++) {
        unsigned first_slot = index * WORD_BITS;
        uint64_t exists = bits_mask(span->slots - first_slot);
        uint64_t left =
            alloc_from_word(~span->bitmap[index] & exists, base + first_slot * object_bytes,
                            object_bytes, count, objects, &allocated);
        span->bitmap[index] = ~left & exists;
        if (left != 0)
            break;
    }
    span->search_from = (uint8_t)index;
    span->used_slots = (uint16_t)(span->used_slots + allocated);
    return allocated;
}

unsigned span_slot_of(const struct span *span, const void *object)
{
    uint32_t offset = (uint32_t)((uintptr_t)object - span_address(span));
    uint32_t slot = offset / span->object_bytes;
    bool begins = slot < span->slots && slot * span->object_bytes == offset;
    return begins ? slot : span->slots;
}

void span_free_slot(struct span *span, unsigned slot)
{
    ASSERT(span_slot_used(span, slot));
    unsigned index = slot / WORD_BITS;
    span->bitmap[index] &= ~((uint64_t)1 << (slot % WORD_BITS));
    if (index < span->search_from)
        span->search_from = (uint8_t)index;
    span->used_slots--;
}

/* ---- figures ---- */

size_t span_drain_pools(void)
{
    size_t freed = 0;
    for (unsigned i = 0; i < POOL_COUNT; i++)
        freed += metadata_pool_drain(&pools[i]);
    return freed;
}

void span_verify(const struct span *span)
{
    unsigned used = 0;
    for (size_t i = 0; i < span_bitmap_words(span->slots); i++) {
        uint64_t exists = bits_mask(span->slots - (unsigned)i * WORD_BITS);
        CHECK((span->bitmap[i] & ~exists) == 0,
              "quarry: the span at %#zx has slots in use behind its %u", span_address(span),
              span->slots);
        CHECK(i >= span->search_from || span->bitmap[i] == exists,
              "quarry: the span at %#zx has free slots before word %u", span_address(span),
              span->search_from);
        used += bits_count(span->bitmap[i]);
    }
    CHECK(used == span->used_slots,
          "quarry: the span at %#zx counts %u slots in use, its bitmap %u", span_address(span),
          span->used_slots, used);
    for (size_t page = span->first_page; page < span->first_page + span->pages; page++)
        CHECK(arena_span(page) == span &&
                  page_map_cache_id((void *)page_address(page)) == span->cache_id,
              "quarry: page %#zx is not known as part of the span at %#zx, cache id %u", page,
              span_address(span), span->cache_id);
}

void span_verify_pools(void)
{
    for (unsigned i = 0; i < POOL_COUNT; i++)
        metadata_pool_verify(&pools[i]);
}
