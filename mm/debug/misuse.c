/* SPDX-License-Identifier: MIT */
/* Reports of misuse; see misuse.h. */
#include "mm/debug/misuse.h"

#include "lib/check.h"
#include "mm/pages/arena.h"
#include "mm/pages/object_kind.h"
#include "mm/pages/span.h"

#define BYTES_SHOWN 8

/* ---- parts of a report ---- */

static bool slot_is_free(const struct span *span, unsigned slot)
{
#if QUARRY_HARDEN
    return !span_slot_is_live(span, slot);
#else
    return !span_slot_used(span, slot);
#endif
}

/* The level 2 record of the object; NULL below that level, or if it was never allocated. */
static const struct object_record *record_of(struct span *span, unsigned slot)
{
    const struct object_record *record = NULL;
#if QUARRY_HARDEN
    record = span_record(span, slot);
#else
    (void)span, (void)slot;
#endif
    return record != NULL && record->allocated_by != NULL ? record : NULL;
}

/* Adds who allocated and who freed the object. */
static void add_record(struct span *span, unsigned slot)
{
    const struct object_record *record = record_of(span, slot);
    if (record == NULL)
        return;
    report_add("\n  asked    %zu bytes, allocated by %p", record->bytes, record->allocated_by);
    if (record->freed_by != NULL)
        report_add("\n  freed    by %p", record->freed_by);
}

/* Whether the slot was never allocated to a program. Only level 2 knows. */
static bool never_allocated(struct span *span, unsigned slot)
{
    return QUARRY_HARDEN == 2 && record_of(span, slot) == NULL;
}

static void add_small_span(const struct span *span)
{
    report_add("\n  span     %#zx, %zu pages, class %u (%u bytes), %u of %u slots allocated",
               span_address(span), span->pages, span->cache_id, span->object_bytes,
               span->used_slots, span->slots);
}

static void add_large_span(const struct span *span)
{
    report_add("\n  span     %#zx, %zu pages, one large object", span_address(span), span->pages);
}

void misuse_add_bytes(const unsigned char *byte, const unsigned char *first,
                      const unsigned char *last)
{
    const unsigned char *from = byte - first > BYTES_SHOWN ? byte - BYTES_SHOWN : first;
    const unsigned char *to = last - byte > BYTES_SHOWN ? byte + BYTES_SHOWN : last;
    report_add("\n  bytes    %p:", (const void *)from);
    for (const unsigned char *at = from; at <= to; at++)
        report_add(at == byte ? " [%02x]" : " %02x", *at);
}

/* ---- bad pointers ---- */

static void begin(const char *operation, const char *kind, const void *address)
{
    report_begin();
    report_add("quarry: bad %s: %s\n  address  %p", operation, kind, address);
}

static _Noreturn void stop_outside_spans(const char *operation, const void *address)
{
    if (page_map_arena(page_of_address(address)) == NULL) {
        begin(operation, "foreign pointer", address);
        report_add(
            "\n  state    not in any arena: never allocated by Quarry, or its arena was released");
    } else {
        begin(operation, "pointer to free memory (double free?)", address);
        report_add("\n  arena    %#zx\n  state    its page is in no span: freed already, or "
                   "never allocated",
                   page_address(page_of_address(address)) & ~(ARENA_BYTES - 1));
    }
    report_stop();
}

void misuse_report_large(struct span *span, const void *address, const char *operation)
{
    size_t offset = (uintptr_t)address - span_address(span);
    begin(operation, offset == 0 ? "double free of a large object" : "interior pointer", address);
    add_large_span(span);
    report_add("\n  state    %s, address is %zu bytes behind its start",
               span->state == SPAN_ALLOCATED ? "allocated" : "being freed", offset);
    add_record(span, 0);
    report_stop();
}

void misuse_report_small(struct span *span, const void *address, const char *operation)
{
    size_t offset = (uintptr_t)address - span_address(span);
    unsigned slot = (unsigned)(offset / span->object_bytes);
    size_t inside = offset % span->object_bytes;
    bool exists = slot < span->slots;
    const char *kind = "interior pointer";
    if ((uintptr_t)address % 8 != 0)
        kind = "unaligned pointer";
    else if (inside == 0 && exists)
        kind = never_allocated(span, slot) ? "pointer that was never allocated" : "double free";
    const char *state = "behind the last object of the span";
    if (exists)
        state = slot_is_free(span, slot) ? "free" : "allocated";
    begin(operation, kind, address);
    add_small_span(span);
    report_add("\n  object   %#zx, slot %u\n  state    %s, address is %zu bytes behind its "
               "start",
               (size_t)address - inside, slot, state, inside);
    if (exists)
        add_record(span, slot);
    report_stop();
}

void misuse_stop(const char *operation, const void *address, struct span *span)
{
    if (span != NULL)
        object_kind_of(span)->report(span, address, operation);
    stop_outside_spans(operation, address);
}

void misuse_stop_size(const void *address, size_t said_bytes, size_t object_bytes)
{
    begin("sized free", "wrong size", address);
    report_add("\n  object   %zu bytes usable\n  state    allocated; freed as one of %zu bytes",
               object_bytes, said_bytes);
    report_stop();
}

/* ---- bytes that were written ---- */

static void add_distance(enum violation violation, const struct span *span, uintptr_t object,
                         uintptr_t byte)
{
    if (violation == VIOLATION_UNDERFLOW)
        report_add(", %zu bytes before its start", object - byte);
    else
        report_add(", %zu bytes behind its start", byte - object);
    if (span->kind == SPAN_SMALL)
        add_small_span(span);
    else
        add_large_span(span);
}

void misuse_stop_written(const char *operation, enum violation violation, struct span *span,
                         unsigned slot, const unsigned char *byte)
{
    static const char *const texts[] = {
        [VIOLATION_OVERFLOW] = "overflow: bytes behind an object were overwritten",
        [VIOLATION_UNDERFLOW] = "underflow: bytes before an object were overwritten",
        [VIOLATION_USE_AFTER_FREE] = "use after free: a freed object was overwritten",
    };
    uintptr_t object = span_address(span) + (uintptr_t)slot * span->object_bytes;
    const unsigned char *first = (const unsigned char *)span_address(span);
    report_begin();
    report_add("quarry: %s\n  seen by  %s\n  object   %#zx, slot %u\n  byte     %p",
               texts[violation], operation, object, slot, (const void *)byte);
    add_distance(violation, span, object, (uintptr_t)byte);
    add_record(span, slot);
    misuse_add_bytes(byte, first, first + span->pages * FRAME_BYTES - 1);
    report_stop();
}
