/* SPDX-License-Identifier: MIT */
/* Statistics as text and JSON: the syntax, and the same numbers as in quarry_stats(). */
#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry/stats.h>

#include "lib/format.h"
#include "tests/framework/platform.h"
#include "tests/framework/test.h"

static char output[96 * 1024];
static size_t length;

static void keep(void *context, const char *text)
{
    EXPECT(context == output);
    while (*text != 0 && length + 1 < sizeof output)
        output[length++] = *text++;
    output[length] = 0;
}

/* ---- a parser of JSON: objects, lists, strings without escapes, unsigned integers ---- */

static const char *at;

static void skip_space(void)
{
    while (*at == ' ' || *at == '\n')
        at++;
}

static bool accept(char wanted)
{
    skip_space();
    bool there = *at == wanted;
    at += there;
    return there;
}

static bool read_text(void)
{
    if (!accept('"'))
        return false;
    while (*at != '"' && *at >= ' ' && *at != '\\')
        at++;
    return accept('"');
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
    if (accept(end))
        return true;
    do {
        if (named && !(read_text() && accept(':')))
            return false;
        if (!read_value(depth + 1))
            return false;
    } while (accept(','));
    return accept(end);
}

static bool read_value(unsigned depth)
{
    if (depth > 4)
        return false;
    if (accept('{'))
        return read_many('}', true, depth);
    if (accept('['))
        return read_many(']', false, depth);
    skip_space();
    return *at == '"' ? read_text() : read_number();
}

/* ---- the contents ---- */

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

static bool has_number(const char *name, size_t value)
{
    char text[100];
    format_text(text, sizeof text, "\"%s\": %zu", name, value);
    return find(text, output) != NULL;
}

/* The sum of all numbers with this name. */
static size_t sum_of(const char *name)
{
    char text[100];
    format_text(text, sizeof text, "\"%s\": ", name);
    size_t sum = 0;
    for (const char *place = output; (place = find(text, place)) != NULL;) {
        size_t value = 0;
        while (*place >= '0' && *place <= '9')
            value = value * 10 + (size_t)(*place++ - '0');
        sum += value;
    }
    return sum;
}

TEST(stats_json_agrees_with_stats)
{
    test_heap_fresh();
    void *objects[100];
    for (unsigned i = 0; i < 100; i++)
        objects[i] = quarry_alloc(1 + i * 37);
    void *large = quarry_alloc((size_t)3 << 20);
    struct quarry_stats stats;
    quarry_stats(&stats);
    length = 0;
    quarry_stats_json(keep, output);
    at = output;
    EXPECT(read_value(0));
    skip_space();
    EXPECT(*at == 0);
    EXPECT(has_number("frames_total", stats.frames_total) &&
           has_number("frames_free", stats.frames_free));
    EXPECT(has_number("small_live_bytes", stats.small_live_bytes) &&
           has_number("arenas", stats.arenas));
    EXPECT(sum_of("live_objects") == stats.small_live_objects);
    EXPECT(sum_of("pages") * 4096 == stats.arena_bytes);
    EXPECT(sum_of("free_pages") * 4096 == stats.page_free_bytes);
    EXPECT(sum_of("cached_bytes") > 0 && sum_of("cached_bytes") <= stats.small_cached_bytes);
    quarry_free_batch(100, objects);
    quarry_free(large);
}

TEST(stats_text_has_all_sections)
{
    test_heap_fresh();
    length = 0;
    quarry_stats_text(keep, output);
    EXPECT(find("frames_total", output) != NULL && find("\nclasses\n", output) != NULL);
    EXPECT(find("\ncpus\n", output) != NULL && find("\narenas\n", output) != NULL);
}

TEST(memory_use_counts_free_and_small_frames)
{
    test_heap_fresh();
    struct quarry_setup setup;
    platform_setup(&setup);
    uint64_t huge = quarry_frame_alloc(QUARRY_ORDER_HUGE);
    unsigned char *object = quarry_alloc(64);
    REQUIRE(huge != 0 && object != NULL);
    struct quarry_memory_use used = quarry_memory_use(huge);
    EXPECT(used.free_frames == 0 && used.small_frames == 0);
    uint64_t physical = (uintptr_t)object - setup.direct_map;
    struct quarry_memory_use small = quarry_memory_use(physical);
    EXPECT(small.small_frames > 0 && small.small_frames + small.free_frames <= 512);
    quarry_frame_free(huge, QUARRY_ORDER_HUGE);
    EXPECT(quarry_memory_use(huge + 4096).free_frames == 512);
    quarry_free(object);
    test_heap_drain();
    EXPECT(quarry_memory_use(physical).small_frames == 0);
    struct quarry_memory_use nowhere = quarry_memory_use(UINT64_MAX);
    EXPECT(nowhere.free_frames == 0 && nowhere.small_frames == 0);
}
