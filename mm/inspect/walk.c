/* SPDX-License-Identifier: MIT */
/* Every span and every slot; see walk.h. */
#include "mm/inspect/walk.h"

#include "mm/pages/arena.h"

static void visit(const struct heap_visitor *visitor, struct span *span)
{
    if (visitor->span != NULL)
        visitor->span(visitor->context, span);
    if (visitor->slot == NULL)
        return;
    for (unsigned slot = 0; slot < span->slots; slot++)
        visitor->slot(visitor->context, span, slot);
}

/* The first page of the next block if this one has no arena. */
static size_t next_page(size_t page)
{
    return page_map_arena(page) != NULL ? page + 1 : round_up(page + 1, ARENA_PAGES);
}

void heap_walk(const struct heap_visitor *visitor)
{
    for (size_t page = 0; page < page_map.bound;) {
        struct span *span = arena_span(page);
        if (span != NULL) {
            visit(visitor, span);
            page = span->first_page + span->pages;
        } else {
            page = next_page(page);
        }
    }
}
