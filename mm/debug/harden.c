/* SPDX-License-Identifier: MIT */
/* Poison, canaries, red zones; see harden.h. */
#include "mm/debug/harden.h"

#include "lib/bits.h"
#include "lib/memory.h"
#include "mm/debug/misuse.h"
#include "mm/pages/page_map.h"
#include "mm/pages/span.h"

#if QUARRY_HARDEN

/* Neither an address of any 64-bit machine nor a likely number. */
#define POISON_BYTE 0xdbu
#define POISON_WORD ((uint64_t)0xdbdbdbdbdbdbdbdb)
#define RED_ZONE_BYTE 0xfeu
#define RED_ZONE_WORD ((uint64_t)0xfefefefefefefefe)

static uint64_t secret;
static size_t leak_mark;

void harden_init(uint64_t seed)
{
    struct random random = random_seeded(seed);
    secret = random_next(&random);
    leak_mark = 0;
}

size_t harden_next_mark(void)
{
    return atomic_fetch_add(&leak_mark, 1) + 1;
}

/* ---- the canary ---- */

/* Behind the last byte that an object in this slot may have. */
static uint64_t *canary_behind(const struct span *span, unsigned slot)
{
    return (uint64_t *)(span_slot_address(span, slot) + span->object_bytes - HARDEN_TAIL_BYTES);
}

static uint64_t *large_canary(const struct span *span)
{
    return (uint64_t *)(span_address(span) + span->pages * FRAME_BYTES - HARDEN_TAIL_BYTES);
}

static uint64_t canary_value(const uint64_t *canary)
{
    return secret ^ (uintptr_t)canary;
}

/* ---- poison ---- */

static size_t poison_bytes(const struct span *span)
{
    return min_u64(span->object_bytes - HARDEN_TAIL_BYTES, QUARRY_POISON_BYTES);
}

static void poison(const struct span *span, unsigned slot)
{
    quarry_port_fill((void *)span_slot_address(span, slot), POISON_BYTE, poison_bytes(span));
}

static unsigned char byte_of(uint64_t word, size_t index)
{
    return (unsigned char)(word >> (index % 8 * 8));
}

/* The first byte of [at, at + bytes) that is not as the word says; NULL when all are. */
static const unsigned char *first_other(const void *at, size_t bytes, uint64_t word)
{
    const unsigned char *byte = at;
    for (size_t i = 0; i < bytes; i++)
        if (byte[i] != byte_of(word, i))
            return &byte[i];
    return NULL;
}

static void check_poison(const char *operation, struct span *span, unsigned slot)
{
    const uint64_t *word = (const uint64_t *)span_slot_address(span, slot);
    const uint64_t *end = word + poison_bytes(span) / sizeof *word;
    for (; word < end; word++)
        if (unlikely(*word != POISON_WORD))
            misuse_stop_written(operation, VIOLATION_USE_AFTER_FREE, span, slot,
                                first_other(word, sizeof *word, POISON_WORD));
}

void harden_span_created(const struct span *span)
{
    for (unsigned slot = 0; slot < span->slots; slot++) {
        uint64_t *canary = canary_behind(span, slot);
        *canary = canary_value(canary);
        poison(span, slot);
    }
}

/* ---- the bytes beside an object ---- */

/* Level 2 only: the bytes between what was asked for and the canary. */
static void write_red_zone(uintptr_t object, size_t bytes, const uint64_t *canary)
{
    quarry_port_fill((void *)(object + bytes), RED_ZONE_BYTE, (uintptr_t)canary - object - bytes);
}

static void check_red_zone(const char *operation, struct span *span, unsigned slot,
                           uintptr_t object, const uint64_t *canary)
{
    const unsigned char *byte = (const unsigned char *)object + span_record(span, slot)->bytes;
    for (; (uintptr_t)byte % sizeof *canary != 0; byte++)
        if (unlikely(*byte != RED_ZONE_BYTE))
            misuse_stop_written(operation, VIOLATION_OVERFLOW, span, slot, byte);
    for (const uint64_t *word = (const void *)byte; word < canary; word++)
        if (unlikely(*word != RED_ZONE_WORD))
            misuse_stop_written(operation, VIOLATION_OVERFLOW, span, slot,
                                first_other(word, sizeof *word, RED_ZONE_WORD));
}

static void check_canary(const char *operation, enum violation violation, struct span *span,
                         unsigned slot, const uint64_t *canary)
{
    if (unlikely(*canary != canary_value(canary)))
        misuse_stop_written(operation, violation, span, slot,
                            first_other(canary, sizeof *canary, canary_value(canary)));
}

/* A live object's surroundings. */
static void check_beside(const char *operation, struct span *span, unsigned slot)
{
    if (QUARRY_HARDEN >= 2)
        check_red_zone(operation, span, slot, span_slot_address(span, slot),
                       canary_behind(span, slot));
    check_canary(operation, VIOLATION_OVERFLOW, span, slot, canary_behind(span, slot));
    if (slot > 0)
        check_canary(operation, VIOLATION_UNDERFLOW, span, slot, canary_behind(span, slot - 1));
}

/* ---- allocation ---- */

static void note_allocated(struct object_record *record, size_t bytes, const void *caller)
{
    *record = (struct object_record){
        .allocated_by = caller,
        .bytes = bytes,
        .mark = atomic_load_relaxed(&leak_mark),
    };
}

void *harden_on_alloc(void *object, size_t bytes, const void *caller)
{
    if (page_map_cache_id(object) == 0)
        return object; /* large, guarded or NULL */
    struct span *span = span_of_address(object);
    unsigned slot = span_slot_of(span, object);
    check_poison("allocation", span, slot);
    check_canary("allocation", VIOLATION_OVERFLOW, span, slot, canary_behind(span, slot));
    if (QUARRY_HARDEN >= 2) {
        note_allocated(span_record(span, slot), bytes, caller);
        write_red_zone((uintptr_t)object, bytes, canary_behind(span, slot));
    }
    span_slot_set_live(span, slot);
    return object;
}

void harden_on_alloc_large(struct span *span, size_t bytes, const void *caller)
{
    uint64_t *canary = large_canary(span);
    *canary = canary_value(canary);
    if (QUARRY_HARDEN >= 2) {
        note_allocated(&span->record, bytes, caller);
        write_red_zone(span_address(span), bytes, canary);
    }
}

/* ---- free ---- */

/* The span and slot of a live small object; stops if it is none. */
static struct span *live_span(const char *operation, const void *object, unsigned *slot)
{
    struct span *span = span_of_address(object);
    if (unlikely(span == NULL || span->kind != SPAN_SMALL))
        misuse_stop(operation, object, span);
    *slot = span_slot_of(span, object);
    if (unlikely(*slot == span->slots || !span_slot_is_live(span, *slot)))
        misuse_stop(operation, object, span);
    return span;
}

void harden_on_free(void *object, const void *caller)
{
    unsigned slot;
    struct span *span = live_span("free", object, &slot);
    /* If two CPUs free the same object, only one of them clears the bit. */
    if (unlikely(!span_slot_clear_live(span, slot)))
        misuse_stop("free", object, span);
    /* Meanwhile the other CPU may have freed the object and its span, and the descriptor may be
     * another span's, whose bit was cleared: it gets it back. */
    if (unlikely(span_of_address(object) != span || span_slot_of(span, object) != slot)) {
        span_slot_set_live(span, slot);
        misuse_stop("free", object, span_of_address(object));
    }
    check_beside("free", span, slot);
    if (QUARRY_HARDEN >= 2)
        span_record(span, slot)->freed_by = caller;
    poison(span, slot);
}

static void check_beside_large(const char *operation, struct span *span)
{
    if (QUARRY_HARDEN >= 2)
        check_red_zone(operation, span, 0, span_address(span), large_canary(span));
    check_canary(operation, VIOLATION_OVERFLOW, span, 0, large_canary(span));
}

void harden_on_free_large(struct span *span, const void *caller)
{
    check_beside_large("free", span);
    if (QUARRY_HARDEN >= 2)
        span->record.freed_by = caller;
}

/* ---- live objects ---- */

/* Without the canary, and at level 2 what was asked for. */
static size_t usable_of(struct span *span, unsigned slot, size_t room_bytes)
{
    return QUARRY_HARDEN >= 2 ? span_record(span, slot)->bytes : room_bytes - HARDEN_TAIL_BYTES;
}

size_t harden_usable_bytes(const char *operation, const void *object)
{
    unsigned slot;
    struct span *span = live_span(operation, object, &slot);
    check_beside(operation, span, slot);
    return usable_of(span, slot, span->object_bytes);
}

size_t harden_usable_bytes_large(const char *operation, struct span *span)
{
    check_beside_large(operation, span);
    return usable_of(span, 0, span->pages * FRAME_BYTES);
}

static void resize_record(struct span *span, unsigned slot, size_t bytes, const uint64_t *canary)
{
    if (QUARRY_HARDEN < 2)
        return;
    span_record(span, slot)->bytes = bytes;
    write_red_zone(span_slot_address(span, slot), bytes, canary);
}

/* The canary is not written: other CPUs read it. */
void harden_on_resize(struct span *span, const void *object, size_t bytes)
{
    unsigned slot = span_slot_of(span, object);
    resize_record(span, slot, bytes, canary_behind(span, slot));
}

void harden_on_resize_large(struct span *span, size_t bytes)
{
    uint64_t *canary = large_canary(span);
    *canary = canary_value(canary);
    resize_record(span, 0, bytes, canary);
}

void harden_verify_span(struct span *span)
{
    for (unsigned slot = 0; slot < span->slots; slot++) {
        if (span_slot_is_live(span, slot))
            check_beside("verify", span, slot);
        else
            check_poison("verify", span, slot);
    }
}

#endif
