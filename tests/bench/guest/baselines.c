/* SPDX-License-Identifier: MIT */
/*
 * Quarry beside the baselines; see baselines.h.
 *
 * The load, the same for all: twice as many blocks as shall be free, of 16 to 512 bytes, and every
 * second one is freed, so that no two free ones touch. Then 200 objects of 16 to 1024 bytes are
 * allocated and freed, one at a time. About half of them fit into no free block but the last, the
 * memory that was never used: that is the case which makes lists slow, and it is not a rare one in
 * a heap that has been running for long.
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
#define ROUNDS 2u /* the second counts: Quarry's caches are filled then */

#define MEMORY_BYTES ((size_t)64 << 20)

static void *blocks[2 * FREE_BLOCKS_MAX];
static uint16_t requests[REQUESTS];

static void begin_nothing(void *memory, size_t bytes)
{
    (void)memory;
    (void)bytes;
}

static const struct baseline quarry_itself = {"Quarry", begin_nothing, quarry_alloc, quarry_free,
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

static __attribute__((__noinline__)) void serve(const struct baseline *baseline)
{
    for (unsigned i = 0; i < REQUESTS; i++)
        baseline->release(baseline->alloc(requests[i]));
}

static uint64_t ticks_of(const struct baseline *baseline)
{
    uint64_t start = timestamp();
    serve(baseline);
    return timestamp() - start;
}

static void measure(const struct baseline *baseline, void *memory, unsigned holes)
{
    static const struct baseline empty = {"", NULL, bench_nothing_alloc, bench_nothing_free, NULL};
    struct random random = random_seeded(holes);
    baseline->begin(memory, MEMORY_BYTES);
    make_holes(baseline, &random, holes);
    uint64_t real = 0;
    for (unsigned i = 0; i < ROUNDS; i++)
        real = ticks_of(baseline);
    uint64_t loop = ticks_of(&empty);
    bench_print(baseline->name, holes,
                (real - loop + 2 * BENCH_CALL_AND_RETURN * REQUESTS) * 100 / REQUESTS);
    free_the_rest(baseline, holes);
}

void baselines_run(void)
{
    static const struct baseline *const baselines[BASELINE_COUNT] = BASELINES;
    bench_begin_heap();
    void *memory = quarry_alloc(MEMORY_BYTES);
    if (memory == NULL) {
        console_print("baselines: no 64 MiB\n");
        return;
    }
    struct random random = random_seeded(1);
    for (unsigned i = 0; i < REQUESTS; i++)
        requests[i] = (uint16_t)(1 + random_below(&random, REQUEST_BYTES_MAX));
    console_print("\n# ticks for an allocation and its free, by the number of free blocks\n");
    interrupts_off();
    for (unsigned holes = 1; holes <= FREE_BLOCKS_MAX; holes *= 4) {
        for (unsigned i = 0; i < BASELINE_COUNT; i++)
            measure(baselines[i], memory, holes);
        measure(&quarry_itself, memory, holes);
    }
    interrupts_on();
    quarry_free(memory);
}
