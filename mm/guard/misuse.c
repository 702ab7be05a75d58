/* SPDX-License-Identifier: MIT */
/* Reports of misuse; see misuse.h. */
#include "mm/guard/misuse.h"

#include "lib/check.h"
#include "mm/pages/arena.h"
#include "mm/pages/span.h"

static _Noreturn void stop_outside_spans(const char *operation, const void *address)
{
    if (page_map_arena(page_of_address(address)) == NULL)
        quarry_stop("quarry: bad %s: foreign pointer\n"
                    "  address  %p\n"
                    "  state    not in any arena: Quarry never gave it out, or took it back whole",
                    operation, address);
    quarry_stop("quarry: bad %s: pointer to free memory (double free?)\n"
                "  address  %p\n"
                "  arena    %#zx\n"
                "  state    its page is in no span: freed already, or never given out",
                operation, address,
                (size_t)(page_address(page_of_address(address)) & ~(ARENA_BYTES - 1)));
}

static _Noreturn void stop_in_large(const char *operation, const void *address,
                                    const struct span *span)
{
    size_t offset = (uintptr_t)address - span_address(span);
    quarry_stop("quarry: bad %s: %s\n"
                "  address  %p\n"
                "  span     %#zx, %zu pages, one large object\n"
                "  state    %s, address is %zu bytes behind its start",
                operation, offset == 0 ? "double free of a large object" : "interior pointer",
                address, span_address(span), span->pages,
                span->list == SPAN_LARGE ? "allocated" : "being freed", offset);
}

static _Noreturn void stop_in_small(const char *operation, const void *address,
                                    const struct span *span)
{
    size_t offset = (uintptr_t)address - span_address(span);
    unsigned slot = (unsigned)(offset / span->object_bytes);
    size_t inside = offset % span->object_bytes;
    const char *kind = "interior pointer";
    const char *state = "behind the last object of the span";
    if (slot < span->slots)
        state = span_slot_used(span, slot) ? "handed out" : "free";
    if ((uintptr_t)address % 8 != 0)
        kind = "unaligned pointer";
    else if (inside == 0 && slot < span->slots)
        kind = "double free";
    quarry_stop("quarry: bad %s: %s\n"
                "  address  %p\n"
                "  span     %#zx, %zu pages, class %u (%u bytes), %u of %u slots handed out\n"
                "  object   %#zx, slot %u\n"
                "  state    %s, address is %zu bytes behind its start",
                operation, kind, address, span_address(span), span->pages, span->size_class,
                span->object_bytes, span->used_slots, span->slots, (size_t)address - inside, slot,
                state, inside);
}

void misuse_stop(const char *operation, const void *address)
{
    const struct span *span = span_of_address(address);
    if (span == NULL)
        stop_outside_spans(operation, address);
    else if (span->size_class == 0)
        stop_in_large(operation, address, span);
    else
        stop_in_small(operation, address, span);
}

void misuse_stop_size(const void *address, size_t said_bytes, size_t object_bytes)
{
    quarry_stop("quarry: bad sized free: wrong size\n"
                "  address  %p\n"
                "  object   %zu bytes usable\n"
                "  state    allocated; freed as one of %zu bytes",
                address, object_bytes, said_bytes);
}
