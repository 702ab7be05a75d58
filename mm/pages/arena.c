/* SPDX-License-Identifier: MIT */
/* Arena records; see arena.h. */
#include "mm/pages/arena.h"

#include "lib/check.h"
#include "lib/memory.h"
#include "mm/frames/frames.h"

struct metadata_pool arena_pool;

static unsigned offset_in(const struct arena *arena, size_t page)
{
    return (unsigned)(page - arena->first_page);
}

static void find_longest_run(struct arena *arena)
{
    arena->longest_run = (uint16_t)bitmap_longest_clear_run(&arena->used).length;
}

/* ---- creation and release ---- */

static struct arena *record_create(size_t block_page)
{
    struct arena *arena = metadata_pool_alloc(&arena_pool);
    if (arena == NULL)
        return NULL;
    *arena = (struct arena){.first_page = block_page};
    bitmap_set(&arena->used, 0, ARENA_PAGES);
    list_init(&arena->bucket_link);
    list_init(&arena->idle_link);
    page_map_extend(block_page + ARENA_PAGES);
    page_map_set_arena(block_page, arena);
    return arena;
}

static void record_destroy(struct arena *arena)
{
    page_map_set_arena(arena->first_page, NULL);
    if (arena->table != NULL)
        frames_free_page(arena->table);
    metadata_pool_free(&arena_pool, arena);
}

static bool table_create(struct arena *arena, struct span *everywhere)
{
    struct span **table = frames_alloc_page();
    if (table == NULL)
        return false;
    if (everywhere == NULL)
        memory_clear(table, FRAME_BYTES);
    else
        for (size_t i = 0; i < ARENA_PAGES; i++)
            table[i] = everywhere;
    atomic_store_release(&arena->table, table);
    return true;
}

struct arena *arena_add_frames(size_t first_page, size_t pages, bool needs_table)
{
    struct arena *arena = page_map_arena(first_page);
    bool is_new = arena == NULL;
    if (is_new)
        arena = record_create(round_down(first_page, ARENA_PAGES));
    if (arena == NULL)
        return NULL;
    ASSERT(bitmap_all_clear(&arena->owned, offset_in(arena, first_page), (unsigned)pages));
    if (needs_table && arena->table == NULL && !table_create(arena, NULL)) {
        if (is_new)
            record_destroy(arena);
        return NULL;
    }
    bitmap_set(&arena->owned, offset_in(arena, first_page), (unsigned)pages);
    bitmap_clear(&arena->used, offset_in(arena, first_page), (unsigned)pages);
    arena->owned_pages = (uint16_t)(arena->owned_pages + pages);
    arena->free_pages = (uint16_t)(arena->free_pages + pages);
    find_longest_run(arena);
    return arena;
}

void arena_release(struct arena *arena, bool report_idle)
{
    ASSERT(arena_is_idle(arena));
    struct bitmap_run run = bitmap_next_clear_run(&arena->used, 0);
    while (run.length != 0) {
        frames_release(arena->first_page + run.first, run.length, report_idle);
        run = bitmap_next_clear_run(&arena->used, run.first + run.length);
    }
    record_destroy(arena);
}

bool arena_split(struct arena *arena)
{
    if (arena->table != NULL)
        return true;
    if (!table_create(arena, arena->sole))
        return false;
    atomic_store_relaxed(&arena->sole, NULL);
    return true;
}

/* ---- pages ---- */

static void set_span(struct arena *arena, size_t first_page, size_t pages, struct span *span)
{
    if (arena->table == NULL) {
        atomic_store_relaxed(&arena->sole, span);
        return;
    }
    struct span **entry = &arena->table[offset_in(arena, first_page)];
    for (size_t i = 0; i < pages; i++)
        atomic_store_relaxed(&entry[i], span);
}

void arena_mark_used(struct arena *arena, size_t first_page, size_t pages, struct span *span)
{
    bitmap_set(&arena->used, offset_in(arena, first_page), (unsigned)pages);
    set_span(arena, first_page, pages, span);
    arena->free_pages = (uint16_t)(arena->free_pages - pages);
    find_longest_run(arena);
}

void arena_mark_free(struct arena *arena, size_t first_page, size_t pages)
{
    set_span(arena, first_page, pages, NULL);
    bitmap_clear(&arena->used, offset_in(arena, first_page), (unsigned)pages);
    arena->free_pages = (uint16_t)(arena->free_pages + pages);
    find_longest_run(arena);
}

void arena_remove_pages(struct arena *arena, size_t first_page, size_t pages)
{
    /* From now on the block's frames are freed one by one, not as a huge frame. */
    frames_split(arena->first_page);
    bitmap_set(&arena->used, offset_in(arena, first_page), (unsigned)pages);
    bitmap_clear(&arena->owned, offset_in(arena, first_page), (unsigned)pages);
    arena->owned_pages = (uint16_t)(arena->owned_pages - pages);
    arena->free_pages = (uint16_t)(arena->free_pages - pages);
    find_longest_run(arena);
}

struct span *arena_span(size_t page)
{
    const struct arena *arena = page_map_arena(page);
    if (arena == NULL)
        return NULL;
    struct span **table = atomic_load_acquire(&arena->table);
    if (table == NULL)
        return atomic_load_relaxed(&arena->sole);
    return atomic_load_relaxed(&table[page % ARENA_PAGES]);
}

void arena_verify(const struct arena *arena)
{
    unsigned free_pages = ARENA_PAGES - bitmap_count_set(&arena->used);
    unsigned owned_pages = bitmap_count_set(&arena->owned);
    unsigned longest_run = bitmap_longest_clear_run(&arena->used).length;
    CHECK(free_pages == arena->free_pages && owned_pages == arena->owned_pages &&
              longest_run == arena->longest_run,
          "quarry: the arena at page %#zx counts %u free, %u owned, run %u; "
          "its bits say %u, %u, %u",
          arena->first_page, arena->free_pages, arena->owned_pages, arena->longest_run, free_pages,
          owned_pages, longest_run);
    for (unsigned i = 0; i < BITMAP_WORDS; i++)
        CHECK((~arena->owned.word[i] & ~arena->used.word[i]) == 0,
              "quarry: the arena at page %#zx offers pages that it does not own",
              arena->first_page);
    CHECK(page_map_arena(arena->first_page) == arena,
          "quarry: the page map does not know the arena at page %#zx", arena->first_page);
}
