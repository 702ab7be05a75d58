/* SPDX-License-Identifier: MIT */
/*
 * Statistics as text tables and as JSON; see quarry/stats.h.
 *
 * Both are written from the same tables of rows. A row is a struct of size_t, with a name for each
 * field. It is copied under the lock that guards its source, and written after the lock is
 * released, so the writer may be slow.
 */
#include <quarry/quarry.h>
#include <quarry/stats.h>

#include "lib/format.h"
#include "mm/objects/cpu_cache.h"
#include "mm/pages/page_heap.h"
#include "mm/pages/page_map.h"

#define TEXT_BYTES_MAX 96u

struct output {
    quarry_write *write;
    void *context;
};

static __attribute__((__format__(__printf__, 2, 3))) void say(const struct output *output,
                                                              const char *format, ...)
{
    char text[TEXT_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    format_text_list(text, sizeof text, format, arguments);
    va_end(arguments);
    output->write(output->context, text);
}

/* ---- the tables ---- */

struct cpu_row {
    size_t cpu, cached_bytes, granted_bytes, budget_bytes;
};

struct arena_row {
    size_t address, pages, free_pages, longest_free_run;
};

/* `words` has the length of the longest row. */
union row {
    struct quarry_stats totals;
    struct quarry_class_stats size_class;
    struct cpu_row cpu;
    struct arena_row arena;
    size_t words[sizeof(struct quarry_stats) / sizeof(size_t)];
};

/* `fill` returns false for a row that is left out. */
struct table {
    const char *name;
    const char *const *fields; /* names of the words of a row, in order; then NULL */
    size_t (*count)(void);
    bool (*fill)(size_t index, union row *row);
};

static const char *const total_fields[] = {
    "frames_total",
    "frames_free",
    "boot_bytes",
    "lost_bytes",
    "arenas",
    "arena_bytes",
    "metadata_bytes",
    "small_live_bytes",
    "small_cached_bytes",
    "small_free_bytes",
    "small_tail_bytes",
    "large_live_bytes",
    "page_free_bytes",
    "small_live_objects",
    "large_live_objects",
    "guarded_live_objects",
    "spans",
    NULL,
};
static const char *const class_fields[] = {"object_bytes",   "spans",        "live_objects",
                                           "cached_objects", "free_objects", NULL};
static const char *const cpu_fields[] = {"cpu", "cached_bytes", "granted_bytes", "budget_bytes",
                                         NULL};
static const char *const arena_fields[] = {"address", "pages", "free_pages", "longest_free_run",
                                           NULL};

#define WORDS(type) (sizeof(type) / sizeof(size_t))
#define NAMES(fields) (sizeof(fields) / sizeof(fields)[0] - 1)
_Static_assert(NAMES(total_fields) == WORDS(struct quarry_stats), "a name for each");
_Static_assert(NAMES(class_fields) == WORDS(struct quarry_class_stats), "a name for each");
_Static_assert(NAMES(cpu_fields) == WORDS(struct cpu_row), "a name for each");
_Static_assert(NAMES(arena_fields) == WORDS(struct arena_row), "a name for each");

static size_t class_count(void)
{
    return quarry_class_count();
}

static bool fill_class(size_t index, union row *row)
{
    quarry_class_stats((unsigned)index, &row->size_class);
    return row->size_class.spans > 0;
}

static size_t cpu_count(void)
{
    return cpu_cache_count();
}

static bool fill_cpu(size_t index, union row *row)
{
    const struct cpu_cache *cache = cpu_cache_of((unsigned)index);
    if (!atomic_load_acquire(&cache->online))
        return false;
    row->cpu = (struct cpu_row){.cpu = index,
                                .granted_bytes = cache->granted_bytes,
                                .budget_bytes = cache->budget_bytes};
    for (unsigned i = 1; i < cache_id_count(); i++)
        row->cpu.cached_bytes += cpu_cache_held_about(cache, i) * cache_shapes[i].object_bytes;
    return true;
}

static size_t block_count(void)
{
    return atomic_load_acquire(&page_map.bound) / ARENA_PAGES;
}

static bool fill_arena(size_t index, union row *row)
{
    struct page_heap *heap = page_heap_of(index * ARENA_PAGES);
    irq_state irq = spinlock_acquire(&heap->lock);
    const struct arena *arena = page_map_arena(index * ARENA_PAGES);
    if (arena != NULL)
        row->arena = (struct arena_row){.address = page_address(arena->first_page),
                                        .pages = arena->owned_pages,
                                        .free_pages = arena->free_pages,
                                        .longest_free_run = arena->longest_run};
    spinlock_release(&heap->lock, irq);
    return arena != NULL;
}

static const struct table tables[] = {
    {"classes", class_fields, class_count, fill_class},
    {"cpus", cpu_fields, cpu_count, fill_cpu},
    {"arenas", arena_fields, block_count, fill_arena},
};
#define TABLES (sizeof tables / sizeof tables[0])

/* ---- as text ---- */

static void write_table(const struct output *output, const struct table *table)
{
    say(output, "\n%s\n", table->name);
    for (size_t i = 0; table->fields[i] != NULL; i++)
        say(output, "%20s", table->fields[i]);
    say(output, "\n");
    union row row;
    for (size_t index = 0; index < table->count(); index++) {
        if (!table->fill(index, &row))
            continue;
        for (size_t i = 0; table->fields[i] != NULL; i++)
            say(output, "%20zu", row.words[i]);
        say(output, "\n");
    }
}

void quarry_stats_text(quarry_write *write, void *context)
{
    const struct output output = {write, context};
    union row row;
    quarry_stats(&row.totals);
    for (size_t i = 0; total_fields[i] != NULL; i++)
        say(&output, "%20s%20zu\n", total_fields[i], row.words[i]);
    for (size_t i = 0; i < TABLES; i++)
        write_table(&output, &tables[i]);
}

/* ---- as JSON ---- */

static void write_fields(const struct output *output, const char *const *fields,
                         const union row *row)
{
    for (size_t i = 0; fields[i] != NULL; i++)
        say(output, "%s\"%s\": %zu", i > 0 ? ", " : "", fields[i], row->words[i]);
}

static void write_list(const struct output *output, const struct table *table)
{
    say(output, ",\n \"%s\": [", table->name);
    const char *between = "\n  {";
    union row row;
    for (size_t index = 0; index < table->count(); index++) {
        if (!table->fill(index, &row))
            continue;
        say(output, "%s", between);
        write_fields(output, table->fields, &row);
        between = "},\n  {";
    }
    say(output, between[0] == '}' ? "}]" : "]");
}

void quarry_stats_json(quarry_write *write, void *context)
{
    const struct output output = {write, context};
    union row row;
    quarry_stats(&row.totals);
    say(&output, "{");
    write_fields(&output, total_fields, &row);
    for (size_t i = 0; i < TABLES; i++)
        write_list(&output, &tables[i]);
    say(&output, "}\n");
}
