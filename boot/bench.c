/* SPDX-License-Identifier: MIT */
/* What allocation costs; see bench.h. */
#include "boot/bench.h"

#include <quarry/frame.h>
#include <quarry/quarry.h>

#include "arch/x86_64/clock.h"
#include "arch/x86_64/instructions.h"
#include "boot/console.h"

#define ROUNDS 10000u

/* What is done `ROUNDS` times; out of line calls, as a program would make them. */
typedef void operation(size_t argument);

static __attribute__((noinline)) void nothing(size_t argument)
{
    __asm__ volatile("" : : "r"(argument));
}

static __attribute__((noinline)) void pair(size_t bytes)
{
    quarry_free(quarry_alloc(bytes));
}

static __attribute__((noinline)) void sized_pair(size_t bytes)
{
    quarry_free_sized(quarry_alloc(bytes), bytes);
}

static __attribute__((noinline)) void zeroed_pair(size_t bytes)
{
    quarry_free(quarry_zeroed(bytes));
}

static __attribute__((noinline)) void frame_pair(size_t order)
{
    quarry_frame_free(quarry_frame_alloc((unsigned)order), (unsigned)order);
}

/* Nanoseconds of the clock for one operation, the loop around it left out, in hundredths. */
static uint64_t cost_in_hundredths(operation *work, size_t argument)
{
    uint64_t ticks[2];
    for (unsigned i = 0; i < 2; i++) {
        void (*volatile what)(size_t) = i == 0 ? nothing : work;
        what(argument); /* warm */
        uint64_t start = timestamp();
        for (unsigned round = 0; round < ROUNDS; round++)
            what(argument);
        ticks[i] = timestamp() - start;
    }
    uint64_t cost = ticks[1] - ticks[0];
    return cost * 100 / ROUNDS;
}

static void print_cost(const char *name, operation *work, size_t argument)
{
    uint64_t cost = cost_in_hundredths(work, argument);
    console_print("bench %-12s %7zu  %6lu.%02lu\n", name, argument, cost / 100, cost % 100);
}

static __attribute__((noinline)) void page_pair(size_t alignment)
{
    quarry_free(quarry_aligned(alignment, 1));
}

/* Every second page of the arenas is in use: as many runs as there can be, for one page to be had.
 */
static void print_worst_page_cost(void)
{
    enum { COUNT = 512 };
    static void *pages[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        pages[i] = quarry_aligned(8192, 1);
    quarry_free(pages[COUNT / 2]);
    print_cost("worst page", page_pair, 8192);
    pages[COUNT / 2] = NULL;
    quarry_free_batch(COUNT, pages);
}

void bench_run(void)
{
    static const size_t sizes[] = {8,     16,    64,    256,    1024,   4096,
                                   16384, 32768, 65536, 262144, 1048576};
    console_print(
        "\n# ticks per pair, calls included, loop left out; instructions under -icount\n");
    interrupts_off();
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        print_cost("alloc+free", pair, sizes[i]);
    print_cost("sized", sized_pair, 64);
    print_cost("zeroed", zeroed_pair, 64);
    print_worst_page_cost();
    print_cost("frame", frame_pair, 0);
    print_cost("frame", frame_pair, QUARRY_ORDER_HUGE);
    interrupts_on();
}
