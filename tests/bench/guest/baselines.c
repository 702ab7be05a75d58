/* SPDX-License-Identifier: MIT */
/*
 * Quarry beside the baseline allocators; see baselines.h.
 *
 * The load is the same for all. For n free blocks, 2n blocks of 1 to 512 bytes are allocated, and
 * every second one is freed, so that no two free blocks are adjacent. Then 200 objects of 1 to 1024
 * bytes are allocated and freed, one at a time. About half of them fit only into the last block,
 * the memory that was never used. This case makes lists slow, and it is common in a heap that has
 * run for a long time.
 */
#include "tests/bench/guest/baselines.h"

#include <quarry/quarry.h>

#include "boot/console.h"
#include "boot/x86_64/clock.h"
#include "boot/x86_64/instructions.h"
#include "lib/random.h"
#include "tests/bench/baselines/baseline.h"
#include "tests/bench/guest/bench.h"

#define FREE_BLOCKS_MAX 16384u
#define HOLE_BYTES_MAX 512u
#define REQUEST_BYTES_MAX 1024u
#define REQUESTS 200u
#define ROUNDS 2u /* the second is measured, with Quarry's caches filled */

#define MEMORY_BYTES ((size_t)64 << 20)

static void *blocks[2 * FREE_BLOCKS_MAX];
static uint16_t requests[REQUESTS];

static void begin_quarry(void *memory, size_t bytes)
{
    (void)memory;
    (void)bytes;
}

static const struct baseline quarry_baseline = {"Quarry", begin_quarry, quarry_alloc, quarry_free,
                                                NULL};

static void make_holes(const struct baseline *baseline, struct random *random, unsigned holes)
{
    for (unsigned i = 0; i < 2 * holes; i++)
        blocks[i] = baseline->alloc(1 + random_below(random, HOLE_BYTES_MAX));
    for (unsigned i = 0; i < 2 * holes; i += 2)
        baseline->release(blocks[i]);
}

static void free_the_rest(const struct baseline *baseline, unsigned holes)
{
    for (unsigned i = 1; i < 2 * holes; i += 2)
        baseline->release(blocks[i]);
}

static __attribute__((__noinline__)) void run_requests(const struct baseline *baseline)
{
    for (unsigned i = 0; i < REQUESTS; i++)
        baseline->release(baseline->alloc(requests[i]));
}

static uint64_t ticks_of(const struct baseline *baseline)
{
    uint64_t start = timestamp();
    run_requests(baseline);
    return timestamp() - start;
}

static void measure(const struct baseline *baseline, void *memory, unsigned holes)
{
    static const struct baseline empty = {"", NULL, bench_nothing_alloc, bench_nothing_free, NULL};
    struct random random = random_seeded(holes);
    baseline->begin(memory, MEMORY_BYTES);
    make_holes(baseline, &random, holes);
    uint64_t measured = 0;
    for (unsigned i = 0; i < ROUNDS; i++)
        measured = ticks_of(baseline);
    uint64_t loop_only = ticks_of(&empty);
    bench_print(baseline->name, holes,
                (measured - loop_only + 2 * BENCH_CALL_AND_RETURN * REQUESTS) * 100 / REQUESTS);
    free_the_rest(baseline, holes);
}

void baselines_run(void)
{
    static const struct baseline *const baselines[BASELINE_COUNT] = BASELINES;
    bench_begin_heap();
    void *memory = quarry_alloc(MEMORY_BYTES);
    if (memory == NULL) {
        console_print("baselines: cannot allocate 64 MiB\n");
        return;
    }
    struct random random = random_seeded(1);
    for (unsigned i = 0; i < REQUESTS; i++)
        requests[i] = (uint16_t)(1 + random_below(&random, REQUEST_BYTES_MAX));
    console_print("\n# ticks for an allocation and its free, by number of free blocks\n");
    interrupts_off();
    for (unsigned holes = 1; holes <= FREE_BLOCKS_MAX; holes *= 4) {
        for (unsigned i = 0; i < BASELINE_COUNT; i++)
            measure(baselines[i], memory, holes);
        measure(&quarry_baseline, memory, holes);
    }
    interrupts_on();
    quarry_free(memory);
}
