/* SPDX-License-Identifier: MIT */
/* What levels 1 and 2 of hardening know of a span's objects: who is live, and its record. */
#include "lib/atomic.h"
#include "lib/memory.h"
#include "mm/frames/frame_api.h"
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
    size_t first =
        frame_allocator_alloc(&frames.allocator, quarry_port_cpu_number(), records_order(span));
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
    frame_allocator_free(&frames.allocator, quarry_port_cpu_number(), frame_at(span->records),
                         records_order(span));
    span->records = NULL;
}

struct object_record *span_record(struct span *span, unsigned slot)
{
    if (QUARRY_HARDEN < 2)
        return NULL;
    return span->records != NULL ? &span->records[slot] : &span->record;
}

#endif
