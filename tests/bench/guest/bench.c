/* SPDX-License-Identifier: MIT */
/* The cost of allocation; see bench.h. */
#include "tests/bench/guest/bench.h"

#include <quarry/frame.h>
#include <quarry/inline.h>
#include <quarry/quarry.h>

#include "boot/console.h"
#include "boot/x86_64/clock.h"
#include "boot/x86_64/cpu.h"
#include "boot/x86_64/instructions.h"
#include "lib/bits.h"
#include "lib/random.h"
#include "tests/framework/platform.h"
#include "tests/framework/test.h"

/* ---- measuring ---- */

/* The functions that a loop calls. release() also gets the size, for sized frees. */
struct functions {
    void *(*alloc)(size_t bytes);
    void (*release)(void *object, size_t bytes);
};

typedef void loop(const struct functions *functions, size_t argument);

void nothing_release(void *object, size_t bytes);
void *nothing_realloc(void *object, size_t bytes);
__asm__(".text\n.globl bench_nothing_alloc, bench_nothing_free\n"
        "bench_nothing_alloc: bench_nothing_free: nothing_release: nothing_realloc: ret\n");

#define AS_RELEASE(function) ((void (*)(void *, size_t))(void (*)(void))(function))

static const struct functions empty = {bench_nothing_alloc, nothing_release};

/* quarry_free() ignores the register that holds the size. */
static const struct functions plain = {quarry_alloc, AS_RELEASE(quarry_free)};
static const struct functions sized = {quarry_alloc, quarry_free_sized};
static const struct functions zeroed = {quarry_zeroed, AS_RELEASE(quarry_free)};

static uint64_t ticks_of(loop *work, const struct functions *functions, size_t argument)
{
    uint64_t start = timestamp();
    work(functions, argument);
    return timestamp() - start;
}

void bench_print(const char *name, size_t argument, uint64_t hundredths)
{
    console_print("bench %-12s %7zu  %6lu.%02lu\n", name, argument, hundredths / 100,
                  hundredths % 100);
}

/* Four rounds of warm-up let the magazines grow as far as this load needs. Each operation is two
 * calls, alloc and release. */
static void measure(const char *name, loop *work, const struct functions *functions,
                    size_t argument, size_t operations)
{
    uint64_t measured = 0;
    for (unsigned i = 0; i < 5; i++)
        measured = ticks_of(work, functions, argument);
    uint64_t loop_only = ticks_of(work, &empty, argument);
    bench_print(name, argument,
                (measured - loop_only + 2 * BENCH_CALL_AND_RETURN * operations) * 100 / operations);
}

/* ---- one at a time ---- */

#define ROUNDS 10000u

static __attribute__((__noinline__)) void pair(const struct functions *functions, size_t bytes)
{
    for (unsigned round = 0; round < ROUNDS; round++)
        functions->release(functions->alloc(bytes), bytes);
}

static void *page_alloc(size_t alignment)
{
    return quarry_aligned(alignment, 1);
}

static void *frame_alloc(size_t order)
{
    return (void *)quarry_frame_alloc((unsigned)order);
}

static void frame_release(void *frame, size_t order)
{
    quarry_frame_free((uintptr_t)frame, (unsigned)order);
}

static const struct functions paged = {page_alloc, AS_RELEASE(quarry_free)};
static const struct functions framed = {frame_alloc, frame_release};

/* ---- a constant size, by the inline functions; an empty loop is measured and subtracted ---- */

#define CONSTANT_BYTES 64u

static void measure_constant(void)
{
    for (unsigned round = 0; round < ROUNDS; round++)
        quarry_free_inline(quarry_alloc_inline(CONSTANT_BYTES), CONSTANT_BYTES);
    uint64_t start = timestamp();
    for (unsigned round = 0; round < ROUNDS; round++)
        quarry_free_inline(quarry_alloc_inline(CONSTANT_BYTES), CONSTANT_BYTES);
    uint64_t between = timestamp();
    for (unsigned round = 0; round < ROUNDS; round++)
        __asm__ volatile("" : : "r"(round));
    uint64_t nothing = timestamp() - between;
    bench_print("constant", CONSTANT_BYTES, (between - start - nothing) * 100 / ROUNDS);
}

/* ---- a thousand at a time, freed in three orders ---- */

#define MANY 1000u

static void *many[MANY];
static uint16_t shuffled[MANY];

static void shuffle(void)
{
    struct random random = random_seeded(1);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned with = (unsigned)random_below(&random, i + 1);
        shuffled[i] = shuffled[with];
        shuffled[with] = (uint16_t)i;
    }
}

static void allocate_many(const struct functions *functions, size_t bytes)
{
    for (unsigned i = 0; i < MANY; i++)
        many[i] = functions->alloc(bytes);
}

static void release_many(const struct functions *functions, size_t bytes)
{
    for (unsigned i = 0; i < MANY; i++)
        functions->release(many[i], bytes);
}

static __attribute__((__noinline__)) void first_first(const struct functions *functions,
                                                      size_t bytes)
{
    allocate_many(functions, bytes);
    release_many(functions, bytes);
}

static __attribute__((__noinline__)) void last_first(const struct functions *functions,
                                                     size_t bytes)
{
    allocate_many(functions, bytes);
    for (unsigned i = MANY; i-- > 0;)
        functions->release(many[i], bytes);
}

static __attribute__((__noinline__)) void any_order(const struct functions *functions, size_t bytes)
{
    allocate_many(functions, bytes);
    for (unsigned i = 0; i < MANY; i++)
        functions->release(many[shuffled[i]], bytes);
}

/* ---- a random one of 10,000 objects is replaced ---- */

#define LIVE 10000u
#define REPLACEMENTS 20000u

static void *live[LIVE];
static uint16_t victims[REPLACEMENTS];
static uint16_t wanted_bytes[REPLACEMENTS];

static void choose_replacements(void)
{
    struct random random = random_seeded(2);
    for (unsigned i = 0; i < REPLACEMENTS; i++) {
        victims[i] = (uint16_t)random_below(&random, LIVE);
        wanted_bytes[i] = (uint16_t)(16 + random_below(&random, 1024 - 16 + 1));
    }
}

static __attribute__((__noinline__)) void replace(const struct functions *functions, size_t unused)
{
    (void)unused;
    for (unsigned i = 0; i < REPLACEMENTS; i++) {
        void **place = functions == &empty ? many : &live[victims[i]];
        functions->release(*place, 0);
        *place = functions->alloc(wanted_bytes[i]);
    }
}

/*
 * The most expensive allocation while an empty heap fills up and then changes. The cost of reading
 * the counter is subtracted.
 */
static void fill_and_print_worst(void)
{
    uint64_t start = timestamp();
    uint64_t reading = timestamp() - start;
    uint64_t worst = 0;
    for (unsigned i = 0; i < LIVE + REPLACEMENTS; i++) {
        unsigned place = i < LIVE ? i : victims[i - LIVE];
        quarry_free(live[place]);
        start = timestamp();
        live[place] = quarry_alloc(wanted_bytes[i % REPLACEMENTS]);
        worst = max_u64(worst, timestamp() - start - reading);
    }
    bench_print("worst", 1024, worst * 100);
}

static void empty_live(void)
{
    for (unsigned i = 0; i < LIVE; i++)
        quarry_free(live[i]);
}

/* ---- growing by 16 bytes; the cost per call includes a share of the final free ---- */

#define GROWTH_STEP 16u
#define GROWTH_END 4096u
#define GROWTH_CALLS (GROWTH_END / GROWTH_STEP)

static void grow(void)
{
    void *object = NULL;
    for (size_t bytes = GROWTH_STEP; bytes <= GROWTH_END; bytes += GROWTH_STEP)
        object = quarry_realloc(object, bytes);
    quarry_free(object);
}

static void grow_nothing(void)
{
    void *object = NULL;
    for (size_t bytes = GROWTH_STEP; bytes <= GROWTH_END; bytes += GROWTH_STEP)
        object = nothing_realloc(object, bytes);
    nothing_release(object, 0);
}

static void measure_growth(void)
{
    for (unsigned i = 0; i < 16; i++)
        grow(); /* warm-up: the magazine of each size class has grown afterwards */
    uint64_t start = timestamp();
    grow();
    uint64_t between = timestamp();
    grow_nothing();
    uint64_t nothing = timestamp() - between;
    bench_print("grow", GROWTH_END,
                (between - start - nothing + BENCH_CALL_AND_RETURN * GROWTH_CALLS) * 100 /
                    GROWTH_CALLS);
}

/* ---- allocated here, freed on another CPU ---- */

/* Quarry identifies a CPU by the block behind GS, so the other CPU is only such a block. */
static struct cpu other;

static void be_cpu(struct cpu *cpu)
{
    msr_write(MSR_GS_BASE, (uintptr_t)cpu);
}

static __attribute__((__noinline__)) void pass_on(const struct functions *functions, size_t bytes)
{
    struct cpu *here = this_cpu();
    allocate_many(functions, bytes);
    be_cpu(&other);
    release_many(functions, bytes);
    be_cpu(here);
}

static void measure_passing_on(void)
{
    static const size_t sizes[] = {16, 64, 1024};
    struct cpu *here = this_cpu();
    other = (struct cpu){.self = &other, .number = 1};
    be_cpu(&other);
    quarry_cpu_online(1);
    be_cpu(here);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        measure("passed on", pass_on, &plain, sizes[i], MANY);
    be_cpu(&other);
    quarry_cpu_offline();
    be_cpu(here);
}

/* ---- the worst case of the page heap ---- */

/* Every second page of the arenas is in use: the largest number of free runs, and one page is
 * allocated and freed. */
static void measure_worst_page(void)
{
    enum { COUNT = 512 };
    static void *pages[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        pages[i] = quarry_aligned(8192, 1);
    quarry_free(pages[COUNT / 2]);
    measure("worst page", pair, &paged, 8192, ROUNDS);
    pages[COUNT / 2] = NULL;
    quarry_free_batch(COUNT, pages);
}

void bench_begin_heap(void)
{
    test_heap_fresh();
    struct quarry_setup setup;
    platform_setup(&setup);
    setup.cpus = 2;
    setup.interrupt_cpu = NULL;
    platform_forget_caches();
    quarry_init(&setup);
    quarry_frame_reclaim_boot_memory();
    quarry_cpu_online(0);
}

void bench_run(void)
{
    static const size_t sizes[] = {8,     16,    32,     64,     128,    256,
                                   512,   1024,  2048,   4096,   8192,   16384,
                                   32768, 65536, 131072, 262144, 524288, 1048576};
    static const size_t batches[] = {16, 64, 256, 1024, 4096};
    console_print("\n# ticks per operation, with the calls, without the loop; instructions under "
                  "-icount\n");
    bench_begin_heap();
    shuffle();
    choose_replacements();
    interrupts_off();
    fill_and_print_worst();
    measure("replace", replace, &plain, 1024, REPLACEMENTS);
    empty_live();
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        measure("pair", pair, &plain, sizes[i], ROUNDS);
    measure_constant();
    measure("sized pair", pair, &sized, 64, ROUNDS);
    measure("zeroed pair", pair, &zeroed, 64, ROUNDS);
    for (unsigned i = 0; i < sizeof batches / sizeof batches[0]; i++) {
        measure("first first", first_first, &plain, batches[i], MANY);
        measure("last first", last_first, &plain, batches[i], MANY);
        measure("any order", any_order, &plain, batches[i], MANY);
    }
    measure_growth();
    measure_passing_on();
    measure_worst_page();
    measure("frame", pair, &framed, 0, ROUNDS);
    measure("frame", pair, &framed, QUARRY_ORDER_HUGE, ROUNDS);
    interrupts_on();
}
