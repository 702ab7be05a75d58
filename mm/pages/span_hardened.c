/* SPDX-License-Identifier: MIT */
/* Levels 1 and 2 of hardening: which slots are live, the order of slots, and the record of each
 * object; see span.h. */
#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/memory.h"
#include "mm/frames/frames.h"
#include "mm/pages/span.h"

#if QUARRY_HARDEN

/* ---- live slots ---- */

static uint64_t *live_word(struct span *span, unsigned slot)
{
    return &span->bitmap[span_bitmap_words(span->slots) + slot / WORD_BITS];
}

bool span_slot_is_live(const struct span *span, unsigned slot)
{
    const uint64_t *word = &span->bitmap[span_bitmap_words(span->slots) + slot / WORD_BITS];
    return atomic_load_acquire(word) >> (slot % WORD_BITS) & 1;
}

bool span_slot_set_live(struct span *span, unsigned slot)
{
    uint64_t bit = (uint64_t)1 << (slot % WORD_BITS);
    return atomic_fetch_or(live_word(span, slot), bit) & bit;
}

bool span_slot_clear_live(struct span *span, unsigned slot)
{
    uint64_t bit = (uint64_t)1 << (slot % WORD_BITS);
    return atomic_fetch_and(live_word(span, slot), ~bit) & bit;
}

/* ---- slots in random order ---- */

/* The number of the n-th set bit; there are more than `n`. */
static unsigned nth_set_bit(uint64_t word, uint64_t n)
{
    while (n-- > 0)
        word &= word - 1;
    return bits_lowest(word);
}

/* The first word with a free slot from a random one on; the number of words if there is none. */
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
    size_t allocated = 0;
    for (; allocated < count && span->used_slots < span->slots; allocated++) {
        size_t index = draw_word(span, random);
        uint64_t exists = bits_mask(span->slots - (unsigned)index * WORD_BITS);
        uint64_t free_slots = ~span->bitmap[index] & exists;
        unsigned bit = nth_set_bit(free_slots, random_below(random, bits_count(free_slots)));
        span->bitmap[index] |= (uint64_t)1 << bit;
        span->used_slots++;
        objects[allocated] = (void *)span_slot_address(span, (unsigned)index * WORD_BITS + bit);
    }
    return allocated;
}

/* ---- records: frames of their own, 2^order of them ---- */

static unsigned records_order(const struct span *span)
{
    size_t needed = divide_up(span->slots * sizeof(struct object_record), FRAME_BYTES);
    return needed > 1 ? bits_highest(needed - 1) + 1 : 0;
}

bool span_records_create(struct span *span)
{
    if (QUARRY_HARDEN < 2)
        return true;
    size_t first = frames_alloc(frame_node_here(), records_order(span));
    if (first == NO_FRAME)
        return false;
    span->records = frame_address(first);
    memory_clear(span->records, span->slots * sizeof(struct object_record));
    return true;
}

void span_records_destroy(struct span *span)
{
    if (span->records == NULL)
        return;
    frames_free(frame_at(span->records), records_order(span));
    span->records = NULL;
}

struct object_record *span_record(struct span *span, unsigned slot)
{
    if (QUARRY_HARDEN < 2)
        return NULL;
    return span->records != NULL ? &span->records[slot] : &span->record;
}

#endif
