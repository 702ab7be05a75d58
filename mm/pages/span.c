/* SPDX-License-Identifier: MIT */
/* Spans and their slots; see span.h. */
#include "mm/pages/span.h"

#include "lib/bits.h"
#include "lib/check.h"
#include "lib/memory.h"
#include "mm/pages/metadata_pool.h"
#include "mm/pages/page_heap.h"

/* ---- descriptors ---- */

enum { POOL_COUNT = 3 };

static const uint16_t pool_slots[POOL_COUNT] = {512, 1024, SPAN_SLOTS_MAX};
static struct metadata_pool pools[POOL_COUNT];

void span_init(void)
{
    for (unsigned i = 0; i < POOL_COUNT; i++)
        metadata_pool_init(&pools[i], sizeof(struct span) + pool_slots[i] / 8);
}

static size_t bitmap_words(unsigned slots)
{
    return divide_up(slots, WORD_BITS);
}

static struct span *descriptor_create(unsigned slots)
{
    unsigned pool = 0;
    while (pool + 1 < POOL_COUNT && pool_slots[pool] < slots)
        pool++;
    struct span *span = metadata_pool_take(&pools[pool]);
    if (span == NULL) {
        metadata_pool_feed(&pools[pool], page_heap_lend_page());
        span = metadata_pool_take(&pools[pool]);
    }
    if (span == NULL)
        return NULL;
    *span = (struct span){.slots = (uint16_t)slots, .pool = (uint8_t)pool};
    list_init(&span->link);
    memory_clear(span->bitmap, bitmap_words(slots) * sizeof(uint64_t));
    return span;
}

static void descriptor_destroy(struct span *span)
{
    metadata_pool_give(&pools[span->pool], span);
}

/* ---- spans ---- */

static bool span_get_pages(struct span *span, size_t pages, size_t align)
{
    span->pages = pages;
    span->first_page = page_heap_alloc(pages, align, span);
    return span->first_page != NO_FRAME;
}

static void publish_class(const struct span *span, unsigned size_class)
{
    irq_state irq = spinlock_acquire(&page_heap.lock);
    page_map_set_class(span->first_page, span->pages, size_class);
    spinlock_release(&page_heap.lock, irq);
}

struct span *span_create_small(unsigned size_class, size_t object_bytes, size_t pages)
{
    size_t slots = pages * FRAME_BYTES / object_bytes;
    QUARRY_ASSERT(slots > 0 && slots <= SPAN_SLOTS_MAX);
    struct span *span = descriptor_create((unsigned)slots);
    if (span == NULL)
        return NULL;
    span->size_class = (uint8_t)size_class;
    span->object_bytes = (uint32_t)object_bytes;
    if (!span_get_pages(span, pages, 1)) {
        descriptor_destroy(span);
        return NULL;
    }
    publish_class(span, size_class);
    return span;
}

struct span *span_create_large(size_t pages, size_t align)
{
    struct span *span = descriptor_create(0);
    if (span == NULL)
        return NULL;
    span->list = SPAN_LARGE;
    if (span_get_pages(span, pages, align))
        return span;
    descriptor_destroy(span);
    return NULL;
}

void span_destroy(struct span *span)
{
    QUARRY_ASSERT(span->list != SPAN_PARTIAL && span->list != SPAN_FULL && span->used_slots == 0);
    if (span->size_class != 0)
        publish_class(span, 0);
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

struct span *span_of_address(const void *address)
{
    return arena_span(page_of_address(address));
}

/* ---- slots ---- */

/* Moves set bits of `free_slots` into `objects`; returns those that are left. */
static uint64_t take_from_window(const struct span *span, unsigned first_slot, uint64_t free_slots,
                                 size_t count, void *objects[], size_t *taken)
{
    uintptr_t base = span_address(span) + (uintptr_t)first_slot * span->object_bytes;
    while (free_slots != 0 && *taken < count) {
        objects[(*taken)++] =
            (void *)(base + (uintptr_t)bits_lowest(free_slots) * span->object_bytes);
        free_slots &= free_slots - 1;
    }
    return free_slots;
}

/* One word of the bitmap at a time is turned over into a window of free slots, and written once. */
size_t span_take_slots(struct span *span, size_t count, void *objects[])
{
    size_t taken = 0;
    unsigned index = span->search_from;
    for (; index < bitmap_words(span->slots); index++) {
        unsigned first_slot = index * WORD_BITS;
        uint64_t exists = bits_mask(span->slots - first_slot);
        uint64_t left = take_from_window(span, first_slot, ~span->bitmap[index] & exists, count,
                                         objects, &taken);
        span->bitmap[index] = ~left & exists;
        if (left != 0)
            break;
    }
    span->search_from = (uint8_t)index;
    span->used_slots = (uint16_t)(span->used_slots + taken);
    return taken;
}

unsigned span_slot_of(const struct span *span, const void *object)
{
    uint32_t offset = (uint32_t)((uintptr_t)object - span_address(span));
    uint32_t slot = offset / span->object_bytes;
    bool begins = slot < span->slots && slot * span->object_bytes == offset;
    return begins ? slot : span->slots;
}

void span_give_slot(struct span *span, unsigned slot)
{
    QUARRY_ASSERT(span_slot_used(span, slot));
    unsigned index = slot / WORD_BITS;
    span->bitmap[index] &= ~((uint64_t)1 << (slot % WORD_BITS));
    if (index < span->search_from)
        span->search_from = (uint8_t)index;
    span->used_slots--;
}

/* ---- figures ---- */

void span_drain_pools(void)
{
    for (unsigned i = 0; i < POOL_COUNT; i++)
        metadata_pool_drain(&pools[i]);
}

void span_verify(const struct span *span)
{
    unsigned used = 0;
    for (size_t i = 0; i < bitmap_words(span->slots); i++) {
        uint64_t exists = bits_mask(span->slots - (unsigned)i * WORD_BITS);
        QUARRY_CHECK((span->bitmap[i] & ~exists) == 0,
                     "quarry: the span at %#zx has slots in use behind its %u", span_address(span),
                     span->slots);
        QUARRY_CHECK(i >= span->search_from || span->bitmap[i] == exists,
                     "quarry: the span at %#zx has free slots before word %u", span_address(span),
                     span->search_from);
        used += bits_count(span->bitmap[i]);
    }
    QUARRY_CHECK(used == span->used_slots,
                 "quarry: the span at %#zx counts %u slots in use, its bitmap %u",
                 span_address(span), span->used_slots, used);
    for (size_t page = span->first_page; page < span->first_page + span->pages; page++)
        QUARRY_CHECK(arena_span(page) == span &&
                         page_map_class((void *)page_address(page)) == span->size_class,
                     "quarry: page %#zx is not known as part of the span at %#zx, class %u", page,
                     span_address(span), span->size_class);
}

void span_verify_pools(void)
{
    for (unsigned i = 0; i < POOL_COUNT; i++)
        metadata_pool_verify(&pools[i]);
}
