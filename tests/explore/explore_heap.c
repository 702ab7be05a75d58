/* SPDX-License-Identifier: MIT */
/* A small heap for explored programs; see explore_heap.h. */
#include "tests/explore/explore_heap.h"

#include <string.h>

#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "arch/linux/host.h"
#include "lib/spinlock.h"
#include "tests/explore/scheduler.h"

#define BASE_BYTES ((uint64_t)64 << 20)
#define FRAMES_NOTED ((size_t)80 << 8) /* 80 MiB */

static unsigned char used[FRAMES_NOTED];
static size_t frames_at_first;
static uint64_t base;

static void go_online_and_offline(void)
{
    EXPLORE_CHECK(quarry_cpu_online(quarry_port_cpu_number()) == QUARRY_OK);
    quarry_cpu_offline();
}

static void go_online(void)
{
    EXPLORE_CHECK(quarry_cpu_online(quarry_port_cpu_number()) == QUARRY_OK);
}

void explore_heap_fresh_as(const struct explore_heap *heap)
{
    struct quarry_memory_region regions[] = {
        {heap->base, heap->bytes, QUARRY_MEMORY_USABLE},
        {heap->base + heap->bytes, heap->reclaimable_bytes, QUARRY_MEMORY_RECLAIMABLE},
    };
    struct quarry_setup setup = {
        .regions = regions,
        .region_count = heap->reclaimable_bytes > 0 ? 2 : 1,
        .direct_map = host_direct_map(),
        .cpus = EXPLORE_CPUS_MAX,
        .interrupt_cpu = heap->interrupt_cpu,
    };
    for (unsigned cpu = 0; cpu < EXPLORE_CPUS_MAX; cpu++)
        explore_as_cpu(cpu,
                       spinlock_rank_forget); /* the last execution may have ended inside a lock */
    EXPLORE_CHECK(quarry_init(&setup) == QUARRY_OK);
    for (unsigned cpu = 0; cpu < EXPLORE_CPUS_MAX; cpu++)
        explore_as_cpu(cpu, go_online_and_offline);
    quarry_scavenge();
    frames_at_first = quarry_frame_free_count();
    base = heap->base;
    memset(used, 0, sizeof used);
}

void explore_heap_fresh(size_t bytes)
{
    explore_heap_fresh_as(&(struct explore_heap){.base = BASE_BYTES, .bytes = bytes});
}

void explore_expect_more(size_t frames)
{
    frames_at_first += frames;
}

void explore_cpus_online(void)
{
    for (unsigned cpu = 0; cpu < EXPLORE_CPUS_MAX; cpu++)
        explore_as_cpu(cpu, go_online);
}

void explore_expect_nothing_lost(void)
{
    quarry_verify();
    for (unsigned cpu = 0; cpu < EXPLORE_CPUS_MAX; cpu++)
        explore_as_cpu(cpu, quarry_cpu_offline);
    quarry_scavenge();
    quarry_verify();
    EXPLORE_CHECK(quarry_frame_free_count() == frames_at_first);
}

static unsigned char *note_of(uint64_t physical)
{
    return &used[(physical - base) / QUARRY_FRAME_BYTES];
}

void explore_note_alloc(uint64_t physical, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char *note = note_of(physical + i * QUARRY_FRAME_BYTES);
        EXPLORE_CHECK(*note == 0);
        *note = 1;
    }
}

void explore_note_free(uint64_t physical, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char *note = note_of(physical + i * QUARRY_FRAME_BYTES);
        EXPLORE_CHECK(*note == 1);
        *note = 0;
    }
}

/* Every byte of a small object; few bytes of a large one, because there are many schedules. */
static size_t stride_of(size_t bytes)
{
    return bytes <= 64 * 1024 ? 1 : 2040;
}

void explore_fill(void *object, size_t bytes, unsigned char value)
{
    unsigned char *byte = object;
    for (size_t i = 0; i < bytes; i += stride_of(bytes))
        byte[i] = value;
}

void explore_expect_filled(const void *object, size_t bytes, unsigned char value)
{
    const unsigned char *byte = object;
    for (size_t i = 0; i < bytes; i += stride_of(bytes))
        if (byte[i] != value) {
            explore_fail("an object's content has changed", __FILE__, __LINE__);
            return;
        }
}
