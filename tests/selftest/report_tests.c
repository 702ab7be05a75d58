/* SPDX-License-Identifier: MIT */
/* Reports: the JSON is JSON, and what it says is what quarry_stats() says. */
#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry/stats.h>

#include "lib/format.h"
#include "tests/framework/platform.h"
#include "tests/framework/test.h"

static char report[96 * 1024];
static size_t length;

static void keep(void *context, const char *text)
{
    EXPECT(context == report);
    while (*text != 0 && length + 1 < sizeof report)
        report[length++] = *text++;
    report[length] = 0;
}

/* ---- a reader of JSON, as far as there is any: objects, lists, plain texts, whole numbers ---- */

static const char *at;

static void skip_space(void)
{
    while (*at == ' ' || *at == '\n')
        at++;
}

static bool take(char wanted)
{
    skip_space();
    bool there = *at == wanted;
    at += there;
    return there;
}

static bool read_text(void)
{
    if (!take('"'))
        return false;
    while (*at != '"' && *at >= ' ' && *at != '\\')
        at++;
    return take('"');
}

static bool read_number(void)
{
    const char *start = at;
    while (*at >= '0' && *at <= '9')
        at++;
    return at > start && (start[0] != '0' || at == start + 1);
}

static bool read_value(unsigned depth);

static bool read_many(char end, bool named, unsigned depth)
{
    if (take(end))
        return true;
    do {
        if (named && !(read_text() && take(':')))
            return false;
        if (!read_value(depth + 1))
            return false;
    } while (take(','));
    return take(end);
}

static bool read_value(unsigned depth)
{
    if (depth > 4)
        return false;
    if (take('{'))
        return read_many('}', true, depth);
    if (take('['))
        return read_many(']', false, depth);
    skip_space();
    return *at == '"' ? read_text() : read_number();
}

/* ---- what is in it ---- */

static const char *find(const char *text, const char *from)
{
    for (; *from != 0; from++) {
        size_t i = 0;
        while (text[i] != 0 && from[i] == text[i])
            i++;
        if (text[i] == 0)
            return from + i;
    }
    return NULL;
}

static bool says(const char *name, size_t value)
{
    char text[100];
    format_text(text, sizeof text, "\"%s\": %zu", name, value);
    return find(text, report) != NULL;
}

/* The sum of all numbers of that name. */
static size_t sum_of(const char *name)
{
    char text[100];
    format_text(text, sizeof text, "\"%s\": ", name);
    size_t sum = 0;
    for (const char *place = report; (place = find(text, place)) != NULL;) {
        size_t value = 0;
        while (*place >= '0' && *place <= '9')
            value = value * 10 + (size_t)(*place++ - '0');
        sum += value;
    }
    return sum;
}

TEST(report_json_says_what_the_figures_say)
{
    test_heap_fresh();
    void *objects[100];
    for (unsigned i = 0; i < 100; i++)
        objects[i] = quarry_alloc(1 + i * 37);
    void *large = quarry_alloc((size_t)3 << 20);
    struct quarry_stats stats;
    quarry_stats(&stats);
    length = 0;
    quarry_stats_json(keep, report);
    at = report;
    EXPECT(read_value(0));
    skip_space();
    EXPECT(*at == 0);
    EXPECT(says("frames_total", stats.frames_total) && says("frames_free", stats.frames_free));
    EXPECT(says("small_live_bytes", stats.small_live_bytes) && says("arenas", stats.arenas));
    EXPECT(sum_of("live_objects") == stats.small_live_objects);
    EXPECT(sum_of("pages") * 4096 == stats.arena_bytes);
    EXPECT(sum_of("free_pages") * 4096 == stats.page_free_bytes);
    EXPECT(sum_of("cached_bytes") <= stats.small_cached_bytes);
    quarry_free_batch(100, objects);
    quarry_free(large);
}

TEST(report_text_has_a_line_for_each_total)
{
    test_heap_fresh();
    length = 0;
    quarry_stats_text(keep, report);
    EXPECT(find("frames_total", report) != NULL && find("\nclasses\n", report) != NULL);
    EXPECT(find("\ncpus\n", report) != NULL && find("\narenas\n", report) != NULL);
}

TEST(report_window_tells_what_its_frames_are_used_for)
{
    test_heap_fresh();
    struct quarry_setup setup;
    platform_setup(&setup);
    uint64_t huge = quarry_frame_alloc(QUARRY_ORDER_HUGE);
    unsigned char *object = quarry_alloc(64);
    REQUIRE(huge != 0 && object != NULL);
    struct quarry_memory_use taken = quarry_memory_use(huge);
    EXPECT(taken.free_frames == 0 && taken.small_frames == 0);
    uint64_t physical = (uintptr_t)object - setup.direct_map;
    struct quarry_memory_use small = quarry_memory_use(physical);
    EXPECT(small.small_frames > 0 && small.small_frames + small.free_frames <= 512);
    quarry_frame_free(huge, QUARRY_ORDER_HUGE);
    EXPECT(quarry_memory_use(huge + 4096).free_frames == 512);
    quarry_free(object);
    test_heap_settle();
    EXPECT(quarry_memory_use(physical).small_frames == 0);
    struct quarry_memory_use nowhere = quarry_memory_use(UINT64_MAX);
    EXPECT(nowhere.free_frames == 0 && nowhere.small_frames == 0);
}
