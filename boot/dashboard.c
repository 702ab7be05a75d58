/* SPDX-License-Identifier: MIT */
/* The live part of the screen; see dashboard.h. */
#include "boot/dashboard.h"

#include <stdbool.h>
#include <stddef.h>

#include <quarry/frame.h>
#include <quarry/stats.h>

#include "boot/screen.h"
#include "boot/x86_64/clock.h"
#include "boot/x86_64/smp.h"
#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/format.h"

#define DRAWS_PER_SECOND 4u
#define LINE_BYTES 200u

/* Rows of text from the top. The map and the CPUs are side by side. */
enum { ROW_MACHINE = 2, ROW_PROGRESS = 3, ROW_LATENCY = 4, ROW_MAP = 6, MAP_ROWS = 12 };
#define ROW_LEGEND (ROW_MAP + MAP_ROWS)
#define ROWS_ALL (ROW_LEGEND + 2)

static bool running;
static unsigned ticks, ticks_per_draw, draws;

/* ---- counters, written by one CPU each ---- */

/* A histogram of latencies: four buckets per doubling of ticks. */
#define BUCKETS (64u * 4)
#define SAMPLES_SHOWN 32u

struct cpu_counters {
    uint64_t operations;
    uint64_t latency[BUCKETS];
    uint64_t worst_ticks;
    /* Written by CPU 0, for drawing: */
    uint64_t operations_seen;
    uint32_t rates[SAMPLES_SHOWN]; /* operations in each of the last quarters of a second */
} __attribute__((__aligned__(64)));

static struct cpu_counters counters[HANDOFF_CPUS_MAX];

void dashboard_count(unsigned cpu)
{
    counters[cpu].operations++;
}

static unsigned bucket_of(uint64_t value)
{
    if (value < 4)
        return (unsigned)value;
    unsigned doublings = bits_highest(value);
    return doublings * 4 + (unsigned)(value >> (doublings - 2) & 3);
}

/* The highest value in the bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    if (bucket < 8)
        return bucket;
    unsigned doublings = bucket / 4;
    return (((uint64_t)(4 + bucket % 4) + 1) << (doublings - 2)) - 1;
}

void dashboard_latency(unsigned cpu, uint64_t value, unsigned draws_before)
{
    if (draws != draws_before)
        return;
    counters[cpu].latency[bucket_of(value)]++;
    counters[cpu].worst_ticks = max_u64(counters[cpu].worst_ticks, value);
}

unsigned dashboard_draws(void)
{
    return atomic_load_relaxed(&draws);
}

static uint64_t nanoseconds(uint64_t clock_ticks)
{
    uint64_t megahertz = clock_ticks_per_second() / 1000000;
    return megahertz > 0 ? clock_ticks * 1000 / megahertz : 0;
}

struct dashboard_latencies dashboard_latencies(void)
{
    struct dashboard_latencies result = {0};
    uint64_t counts[BUCKETS] = {0}, seen = 0, worst = 0;
    for (unsigned cpu = 0; cpu < smp_cpu_count(); cpu++) {
        worst = max_u64(worst, counters[cpu].worst_ticks);
        for (unsigned i = 0; i < BUCKETS; i++)
            counts[i] += counters[cpu].latency[i];
    }
    for (unsigned i = 0; i < BUCKETS; i++)
        result.samples += counts[i];
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += counts[i];
        if (result.median == 0 && seen * 2 >= result.samples)
            result.median = nanoseconds(min_u64(bucket_end(i), worst));
        if (result.permille_999 == 0 && seen * 1000 >= result.samples * 999)
            result.permille_999 = nanoseconds(min_u64(bucket_end(i), worst));
    }
    result.worst = nanoseconds(worst);
    return result;
}

/* ---- progress ---- */

static struct {
    unsigned number, total;
    uint64_t begun_us; /* start of the first part */
    char name[64];
} part;

#define BAR_CHARACTERS 24u

static unsigned parts_done(void)
{
    return part.number > 0 ? part.number - 1 : 0;
}

/* "1:05 left", if all parts take as long as the average so far; "" before the first has ended. */
static void format_left(char *text, size_t capacity_bytes)
{
    unsigned done = parts_done();
    text[0] = 0;
    if (done == 0)
        return;
    uint64_t seconds = (clock_microseconds() - part.begun_us) / 1000000;
    uint64_t left = seconds * (part.total - done) / done;
    format_text(text, capacity_bytes, ", about %lu:%02lu left", left / 60, left % 60);
}

static void draw_progress(bool ended)
{
    char line[LINE_BYTES], left[32], bar[BAR_CHARACTERS + 1];
    unsigned done = ended ? part.total : parts_done();
    for (unsigned i = 0; i < BAR_CHARACTERS; i++)
        bar[i] = part.total > 0 && i < done * BAR_CHARACTERS / part.total ? '#' : '.';
    bar[BAR_CHARACTERS] = 0;
    uint64_t seconds = clock_microseconds() / 1000000;
    format_left(left, sizeof left);
    format_text(line, sizeof line, "[%s] %u of %u  %s   %lu:%02lu so far%s", bar, part.number,
                part.total, ended ? "done" : part.name, seconds / 60, seconds % 60,
                ended ? "" : left);
    screen_line(ROW_PROGRESS, line, SCREEN_TITLE);
}

static void draw_latencies(void)
{
    char line[LINE_BYTES] = "";
    struct dashboard_latencies latencies = dashboard_latencies();
    if (latencies.samples > 0)
        format_text(
            line, sizeof line,
            "alloc and free of 64 bytes: median %lu ns, 99.9%% %lu ns, worst %lu ns, %lu samples",
            latencies.median, latencies.permille_999, latencies.worst, latencies.samples);
    screen_line(ROW_LATENCY, line, SCREEN_TEXT);
}

/* ---- the map: a tile for each 2 MiB block of memory, or for each n-th ---- */

#define BLOCK_FRAMES 512u
#define BLOCK_BYTES ((uint64_t)BLOCK_FRAMES * QUARRY_FRAME_BYTES)
#define TILES_MAX 1536u
#define COLOUR_FREE 0x1f2933u
#define COLOUR_SMALL 0x3b82f6u /* in spans of small objects */
#define COLOUR_OTHER 0xa371f7u /* otherwise in use: large objects, frames, tables */

static uint64_t tile_base[TILES_MAX];   /* the block of each tile */
static uint32_t tile_colour[TILES_MAX]; /* the colour on the screen */
static unsigned tiles;

static bool has_memory(const struct handoff *handoff, uint64_t base)
{
    for (size_t i = 0; i < handoff->region_count; i++) {
        const struct quarry_memory_region *region = &handoff->regions[i];
        if (region->kind != QUARRY_MEMORY_RESERVED && region->base < base + BLOCK_BYTES &&
            region->base + region->bytes > base)
            return true;
    }
    return false;
}

/* Chooses every `step`th block that has memory. Returns the number of such blocks. */
static size_t choose_tiles(const struct handoff *handoff, size_t step)
{
    size_t found = 0, end = 0;
    for (size_t i = 0; i < handoff->region_count; i++)
        if (handoff->regions[i].kind != QUARRY_MEMORY_RESERVED)
            end = max_u64(end, handoff->regions[i].base + handoff->regions[i].bytes);
    tiles = 0;
    for (uint64_t base = 0; base < end; base += BLOCK_BYTES) {
        if (!has_memory(handoff, base))
            continue;
        if (found++ % step == 0 && tiles < TILES_MAX)
            tile_base[tiles++] = base;
    }
    return found;
}

static uint32_t mix(uint32_t from, uint32_t to, unsigned part_of_512)
{
    uint32_t mixed = 0;
    for (unsigned shift = 0; shift < 24; shift += 8) {
        int low = from >> shift & 0xff, high = to >> shift & 0xff;
        mixed |= (uint32_t)(low + (high - low) * (int)part_of_512 / 512) << shift;
    }
    return mixed;
}

static uint32_t colour_of_block(uint64_t base)
{
    struct quarry_memory_use use = quarry_memory_use(base);
    unsigned used = BLOCK_FRAMES - (unsigned)min_u64(use.free_frames, BLOCK_FRAMES);
    return use.small_frames > 0 ? mix(COLOUR_FREE, COLOUR_SMALL, 128 + use.small_frames * 3 / 4)
                                : mix(COLOUR_FREE, COLOUR_OTHER, used);
}

/* The side of the largest squares that fit. */
static uint32_t tile_pixels(uint32_t width, uint32_t height)
{
    uint32_t side = 4;
    while ((width / (side + 1)) * (height / (side + 1)) >= tiles && side < height / 4)
        side++;
    return side;
}

static void draw_map(bool all)
{
    uint32_t left = screen_column_left(0), top = screen_row_top(ROW_MAP);
    uint32_t width = screen_width() * 11 / 20, height = screen_row_top(ROW_MAP + MAP_ROWS) - top;
    uint32_t side = tile_pixels(width, height), across = width / side;
    for (unsigned i = 0; i < tiles; i++) {
        uint32_t colour = colour_of_block(tile_base[i]);
        if (!all && colour == tile_colour[i])
            continue;
        tile_colour[i] = colour;
        screen_fill(left + i % across * side, top + i / across * side, side - 1, side - 1, colour);
    }
}

/* Squares in the map's colours, with their meaning. */
static void draw_legend(void)
{
    static const struct {
        uint32_t column, colour;
        const char *text;
    } words[] = {{0, COLOUR_FREE, "free"},
                 {9, COLOUR_SMALL, "small objects"},
                 {27, COLOUR_OTHER, "large objects, frames, tables"}};
    uint32_t side = screen_row_height() * 5 / 8;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        screen_fill(screen_column_left(words[i].column),
                    screen_row_top(ROW_LEGEND) + screen_row_height() / 5, side, side,
                    words[i].colour);
        screen_text(words[i].column + 2, ROW_LEGEND, words[i].text, SCREEN_DIM);
    }
}

/* ---- one row per CPU ---- */

#define COLOUR_SPARK 0x7fd07fu

static void draw_spark(const struct cpu_counters *cpu, uint32_t left, uint32_t row, uint32_t most)
{
    uint32_t unit = screen_row_height() / 8, height = screen_row_height() - unit;
    uint32_t top = screen_row_top(row) + unit / 2;
    for (unsigned i = 0; i < SAMPLES_SHOWN; i++) {
        uint32_t filled = most > 0 ? (uint32_t)((uint64_t)cpu->rates[i] * height / most) : 0;
        uint32_t x = left + i * unit;
        screen_fill(x, top, unit - 1, height - filled, SCREEN_BACKGROUND);
        screen_fill(x, top + height - filled, unit - 1, filled, COLOUR_SPARK);
    }
}

static void draw_cpu(unsigned number, uint32_t column, uint32_t row)
{
    char line[LINE_BYTES];
    const struct cpu_counters *cpu = &counters[number];
    uint32_t most = 0, second = 0;
    for (unsigned i = 0; i < SAMPLES_SHOWN; i++) {
        most = (uint32_t)max_u64(most, cpu->rates[i]);
        if (i >= SAMPLES_SHOWN - DRAWS_PER_SECOND)
            second += cpu->rates[i];
    }
    format_text(line, sizeof line, "cpu %-3u %9u op/s ", number, second);
    screen_text(column, row, line, SCREEN_TEXT);
    draw_spark(cpu, screen_column_left(column + 24), row, most);
}

static void note_rates(void)
{
    for (unsigned i = 0; i < smp_cpu_count(); i++) {
        struct cpu_counters *cpu = &counters[i];
        uint64_t now = atomic_load_relaxed(&cpu->operations);
        for (unsigned k = 0; k + 1 < SAMPLES_SHOWN; k++)
            cpu->rates[k] = cpu->rates[k + 1];
        cpu->rates[SAMPLES_SHOWN - 1] = (uint32_t)(now - cpu->operations_seen);
        cpu->operations_seen = now;
    }
}

static void draw_cpus(void)
{
    char line[LINE_BYTES];
    uint32_t column = screen_columns() * 11 / 20 + 3;
    unsigned count = smp_cpu_count(), shown = count <= MAP_ROWS ? count : MAP_ROWS - 1;
    for (unsigned i = 0; i < shown; i++)
        draw_cpu(i, column, ROW_MAP + i);
    if (shown < count) {
        format_text(line, sizeof line, "and %u more", count - shown);
        screen_text(column, ROW_MAP + shown, line, SCREEN_DIM);
    }
}

/* ---- start, drawing, stop ---- */

void dashboard_start(const struct handoff *handoff, const char *machine, unsigned hertz)
{
    if (!screen_reserve(ROWS_ALL))
        return; /* no screen, or the screen is too small */
    size_t all = choose_tiles(handoff, 1);
    if (all > TILES_MAX)
        choose_tiles(handoff, divide_up(all, TILES_MAX));
    screen_line(ROW_MACHINE, machine, SCREEN_DIM);
    draw_map(true);
    draw_legend();
    ticks_per_draw = hertz > DRAWS_PER_SECOND ? hertz / DRAWS_PER_SECOND : 1;
    running = true;
}

static void draw(void)
{
    atomic_store_relaxed(&draws, draws + 1);
    note_rates();
    draw_progress(false);
    draw_latencies();
    draw_map(false);
    draw_cpus();
}

void dashboard_part(unsigned number, unsigned total, const char *name)
{
    if (number == 1)
        part.begun_us = clock_microseconds();
    part.number = number;
    part.total = total;
    format_text(part.name, sizeof part.name, "%s", name);
    if (running && ticks == 0)
        draw(); /* without a timer nothing else draws */
}

void dashboard_tick(void)
{
    if (running && ++ticks % ticks_per_draw == 0)
        draw();
}

void dashboard_stop(void)
{
    if (running)
        draw_progress(true);
    running = false;
}
