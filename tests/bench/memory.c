/* SPDX-License-Identifier: MIT */
/*
 * Quarry's memory overhead compared with the goals: a million live objects of one size or of many,
 * and the memory that is returned after a peak. (For a long run with changing sizes see
 * fragmentation.c.)
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "arch/linux/host.h"
#include "lib/random.h"

#define COUNT 1000000u
#define PEAK_BYTES ((size_t)1 << 30)

static void *objects[COUNT];
static struct random random_state;
static unsigned met;
static unsigned missed;

static void begin_heap(void)
{
    const struct quarry_memory_region memory = {64 << 20, HOST_WINDOW_BYTES - (64 << 20),
                                                QUARRY_MEMORY_USABLE};
    const struct quarry_setup setup = {.regions = &memory,
                                       .region_count = 1,
                                       .direct_map = host_direct_map(),
                                       .cpus = 1};
    linux_blocks[0].cpu = (struct quarry_cpu){0};
    if (quarry_init(&setup) != QUARRY_OK || quarry_cpu_online(0) != QUARRY_OK) {
        fprintf(stderr, "memory: cannot initialise the heap\n");
        exit(1);
    }
    random_state = random_seeded(1);
}

/* Memory in frames that are not free, without the free pages of arenas, which a process would not
 * have accessed. */
static size_t held_bytes(void)
{
    struct quarry_stats stats;
    quarry_stats(&stats);
    return (stats.frames_total - stats.frames_free) * QUARRY_FRAME_BYTES - stats.page_free_bytes;
}

static size_t used_frame_bytes(void)
{
    return (quarry_frame_total_count() - quarry_frame_free_count()) * QUARRY_FRAME_BYTES;
}

static void *allocate(size_t bytes)
{
    void *object = quarry_alloc(bytes);
    if (object == NULL) {
        fprintf(stderr, "memory: out of memory\n");
        exit(1);
    }
    return object;
}

static void compare_with_goal(const char *what, double value, double goal, bool at_most)
{
    bool good = at_most ? value <= goal : value >= goal;
    printf("%-58s %8.4f  %s %.4f%s\n", what, value, at_most ? "at most " : "at least", goal,
           good ? "" : "  missed");
    met += good;
    missed += !good;
}

/* ---- a million live objects ---- */

static size_t fill(size_t low, size_t high)
{
    size_t live = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        size_t bytes = low + random_below(&random_state, high - low + 1);
        objects[i] = allocate(bytes);
        live += bytes;
    }
    return live;
}

static void empty(void)
{
    for (unsigned i = 0; i < COUNT; i++)
        quarry_free(objects[i]);
}

static void million(const char *what, size_t low, size_t high, double goal)
{
    begin_heap();
    size_t before = held_bytes();
    size_t live = fill(low, high);
    compare_with_goal(what, (double)(held_bytes() - before) / (double)live, goal, true);
    struct quarry_stats stats;
    quarry_stats(&stats);
    compare_with_goal("  metadata / heap", (double)stats.metadata_bytes / (double)stats.arena_bytes,
                      0.01, true);
    empty();
    quarry_verify();
}

/* ---- after a peak ---- */

static void peak(void)
{
    begin_heap();
    size_t before = used_frame_bytes();
    size_t count = 0;
    for (size_t live = 0; live < PEAK_BYTES; count++) {
        size_t bytes = 64 + random_below(&random_state, 4096);
        objects[count % COUNT] = allocate(bytes);
        live += bytes;
    }
    size_t most = used_frame_bytes() - before;
    for (size_t i = 0; i < count; i++)
        quarry_free(objects[i]);
    size_t at_once = used_frame_bytes() - before;
    size_t steps = 0;
    while (quarry_scavenge_step() > 0 || steps < 100)
        steps++;
    size_t after = used_frame_bytes() - before;
    printf("after a peak of %zu MiB, all freed: %zu MiB held; after %zu scavenger steps: "
           "%zu MiB\n",
           most >> 20, at_once >> 20, steps, after >> 20);
    compare_with_goal("  returned by the steps / peak", 1 - (double)after / (double)most, 0.99,
                      false);
    quarry_verify();
}

int main(void)
{
    begin_heap();
    struct quarry_stats stats;
    quarry_stats(&stats);
    compare_with_goal("tables at the start / all memory",
                      (double)stats.boot_bytes / (double)(stats.frames_total * QUARRY_FRAME_BYTES),
                      0.01, true);
    million("a million objects of 16 bytes: held / live", 16, 16, 1.01);
    million("a million objects of 64 bytes", 64, 64, 1.01);
    million("a million objects of 1024 bytes", 1024, 1024, 1.01);
    million("a million objects of 200 bytes", 200, 200, 1.04);
    million("a million objects of 16 to 1024 bytes", 16, 1024, 1.04);
    peak();
    printf("%u goals met, %u missed\n", met, missed);
    return 0;
}
