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

static const uint16_t pool_slots[POOL_COUNT] = {512, 1024, SPAN_SLOTS_MAX};
static struct metadata_pool pools[POOL_COUNT];

void span_init(void)
{
    for (unsigned i = 0; i < POOL_COUNT; i++)
        metadata_pool_init(&pools[i], sizeof(struct span) + pool_slots[i] / 8 * BITMAPS);
}

static struct span *descriptor_create(unsigned slots)
{
    unsigned pool = 0;
    while (pool + 1 < POOL_COUNT && pool_slots[pool] < slots)
        pool++;
    struct span *span = metadata_pool_alloc(&pools[pool]);
    if (span == NULL) {
        metadata_pool_feed(&pools[pool], page_heap_lend_page());
        span = metadata_pool_alloc(&pools[pool]);
    }
    if (span == NULL)
        return NULL;
    *span = (struct span){.slots = (uint16_t)slots, .pool = (uint8_t)pool};
    list_init(&span->link);
    memory_clear(span->bitmap, span_bitmap_words(slots) * sizeof(uint64_t) * BITMAPS);
    return span;
}

static void descriptor_destroy(struct span *span)
{
    span_records_destroy(span);
    metadata_pool_free(&pools[span->pool], span);
}

/* ---- spans ---- */

static bool span_get_pages(struct span *span, size_t pages, size_t align)
{
    span->pages = pages;
    span->first_page = page_heap_alloc(pages, align, span);
    return span->first_page != NO_FRAME;
}

static void set_class(const struct span *span, unsigned size_class)
{
    irq_state irq = spinlock_acquire(&page_heap.lock);
    page_map_set_cache_id(span->first_page, span->pages, size_class);
    spinlock_release(&page_heap.lock, irq);
}

void span_publish(const struct span *span)
{
    set_class(span, span->size_class);
}

struct span *span_create_small(unsigned size_class, size_t object_bytes, size_t pages)
{
    size_t slots = pages * FRAME_BYTES / object_bytes;
    ASSERT(slots > 0 && slots <= SPAN_SLOTS_MAX);
    struct span *span = descriptor_create((unsigned)slots);
    if (span == NULL)
        return NULL;
    span->size_class = (uint8_t)size_class;
    span->object_bytes = (uint32_t)object_bytes;
    if (!span_records_create(span) || !span_get_pages(span, pages, 1)) {
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
    span->list = SPAN_LARGE;
    if (span_get_pages(span, pages, align))
        return span;
    descriptor_destroy(span);
    return NULL;
}

void span_destroy(struct span *span)
{
    ASSERT(span->list != SPAN_PARTIAL && span->list != SPAN_FULL && span->used_slots == 0);
    if (span->size_class != 0)
        set_class(span, 0);
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
size_t span_alloc_slots(struct span *span, size_t count, void *objects[])
{
    size_t taken = 0;
    unsigned index = span->search_from;
    for (; index < span_bitmap_words(span->slots); index++) {
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

/* The number of the n-th set bit; there are more than `n`. */
static unsigned nth_set_bit(uint64_t word, uint64_t n)
{
    while (n-- > 0)
        word &= word - 1;
    return bits_lowest(word);
}

/* A word with a free slot, at or behind one that is drawn; `words` if there is none. */
static size_t draw_word(const struct span *span, struct random *random)
{
    size_t words = span_bitmap_words(span->slots);
    size_t drawn = random_below(random, words);
    for (size_t i = 0; i < words; i++) {
        size_t index = (drawn + i) % words;
        uint64_t exists = bits_mask(span->slots - (unsigned)index * WORD_BITS);
        if ((~span->bitmap[index] & exists) != 0)
            return index;
    }
    return words;
}

size_t span_alloc_random_slots(struct span *span, struct random *random, size_t count,
                               void *objects[])
{
    size_t taken = 0;
    for (; taken < count && span->used_slots < span->slots; taken++) {
        size_t index = draw_word(span, random);
        uint64_t exists = bits_mask(span->slots - (unsigned)index * WORD_BITS);
        uint64_t free_slots = ~span->bitmap[index] & exists;
        unsigned bit = nth_set_bit(free_slots, random_below(random, bits_count(free_slots)));
        span->bitmap[index] |= (uint64_t)1 << bit;
        span->used_slots++;
        objects[taken] = (void *)span_slot_address(span, (unsigned)index * WORD_BITS + bit);
    }
    return taken;
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

void span_drain_pools(void)
{
    for (unsigned i = 0; i < POOL_COUNT; i++)
        metadata_pool_drain(&pools[i]);
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
                  page_map_cache_id((void *)page_address(page)) == span->size_class,
              "quarry: page %#zx is not known as part of the span at %#zx, class %u", page,
              span_address(span), span->size_class);
}

void span_verify_pools(void)
{
    for (unsigned i = 0; i < POOL_COUNT; i++)
        metadata_pool_verify(&pools[i]);
}
