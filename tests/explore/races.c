/* SPDX-License-Identifier: MIT */
/*
 * Finds plain accesses that nothing orders.
 *
 * Each CPU has a clock that a release advances, and knows a clock of each other CPU, from what it
 * has acquired. Each access is recorded with the CPU's clock. An access of another CPU to the same
 * bytes is ordered before this one if this CPU knows a later clock. The orders are those in the
 * source: a relaxed store releases nothing, although the execution is sequentially consistent. So a
 * missing lock, an early publication and an order that is too weak are found in each execution in
 * which both accesses occur, whatever is executed between them.
 *
 * A program in which two CPUs free one object races by itself; there races are not looked for.
 *
 * Source: vector clocks, as in FastTrack (Flanagan and Freund, PLDI 2009). For each CPU, kind of
 * access and eight bytes only the latest access is recorded, so a race can be missed, but each one
 * that is reported is one.
 */
#include <stdio.h>
#include <string.h>

#include "tests/explore/execution.h"

#define GRANULE 8u
#define GRANULES (1u << 17)
#define SYNCS (1u << 12)
#define DENSE_BYTES 4096u /* of a longer range only one granule in eight is recorded */
#define SPARSE 8u

enum kind { PLAIN_READ, PLAIN_WRITE, ATOMIC_READ, ATOMIC_WRITE, KINDS };

static const char *const kind_names[KINDS] = {"a plain read", "a plain write", "an atomic read",
                                              "an atomic write"};

/* The kinds of access of another CPU that must be ordered with one of this kind; a bit each. */
static const unsigned conflicts[KINDS] = {
    [PLAIN_READ] = 1u << PLAIN_WRITE | 1u << ATOMIC_WRITE,
    [PLAIN_WRITE] = 1u << PLAIN_READ | 1u << PLAIN_WRITE | 1u << ATOMIC_READ | 1u << ATOMIC_WRITE,
    [ATOMIC_READ] = 1u << PLAIN_WRITE,
    [ATOMIC_WRITE] = 1u << PLAIN_READ | 1u << PLAIN_WRITE,
};

struct record {
    uint32_t clock;
    uint32_t instruction;
};

struct granule {
    uintptr_t number;
    uint32_t execution;                     /* in which the rest was recorded */
    uint8_t bytes[EXPLORE_CPUS_MAX][KINDS]; /* a bit per byte; 0: no access */
    struct record records[EXPLORE_CPUS_MAX][KINDS];
};

struct sync {
    const volatile void *word;
    uint32_t execution;
    struct vector_clock released;
};

static struct granule granules[GRANULES];
static struct sync syncs[SYNCS];
static struct vector_clock clocks[EXPLORE_CPUS_MAX];
static uint32_t current; /* the number of the execution */
static bool allowed;

void explore_allow_races(bool are_allowed)
{
    allowed = are_allowed;
}

bool races_are_allowed(void)
{
    return allowed;
}

void races_begin(void)
{
    current++;
    memset(clocks, 0, sizeof clocks);
    for (unsigned cpu = 0; cpu < EXPLORE_CPUS_MAX; cpu++)
        clocks[cpu].of[cpu] = 1;
}

/* ---- synchronisation ---- */

static struct sync *sync_of(const volatile void *word)
{
    size_t place = ((uintptr_t)word >> 1) * 0x9e3779b97f4a7c15u >> 52;
    for (size_t tries = 0; tries < SYNCS; tries++, place++) {
        struct sync *sync = &syncs[place % SYNCS];
        if (sync->execution != current)
            *sync = (struct sync){.word = word, .execution = current};
        if (sync->word == word)
            return sync;
    }
    explore_fail("too many atomic words", __FILE__, __LINE__);
    execution_leave();
}

static void join(struct vector_clock *into, const struct vector_clock *from)
{
    for (unsigned cpu = 0; cpu < EXPLORE_CPUS_MAX; cpu++)
        if (from->of[cpu] > into->of[cpu])
            into->of[cpu] = from->of[cpu];
}

void races_acquire(const volatile void *word)
{
    join(&clocks[execution.running], &sync_of(word)->released);
}

struct vector_clock races_released(void)
{
    struct vector_clock released = clocks[execution.running];
    clocks[execution.running].of[execution.running]++;
    return released;
}

void races_release(const volatile void *word, const struct vector_clock *released)
{
    sync_of(word)->released = *released;
}

void races_store_relaxed(const volatile void *word)
{
    sync_of(word)->released = (struct vector_clock){{0}};
}

void races_release_also(const volatile void *word)
{
    struct vector_clock released = races_released();
    join(&sync_of(word)->released, &released);
}

/* ---- accesses ---- */

static struct granule *granule_of(uintptr_t number)
{
    size_t place = number * 0x9e3779b97f4a7c15u >> 47;
    for (size_t tries = 0; tries < GRANULES; tries++, place++) {
        struct granule *granule = &granules[place % GRANULES];
        if (granule->execution != current) {
            granule->number = number;
            granule->execution = current;
            memset(granule->bytes, 0, sizeof granule->bytes);
        }
        if (granule->number == number)
            return granule;
    }
    explore_fail("too many bytes are accessed", __FILE__, __LINE__);
    execution_leave();
}

static _Noreturn void report(uintptr_t at, enum kind kind, uintptr_t instruction, unsigned other,
                             enum kind other_kind, uintptr_t other_instruction)
{
    char text[256];
    snprintf(text, sizeof text,
             "race at %#lx: %s of CPU %u (instruction %#lx) is not ordered after %s of CPU %u "
             "(instruction %#lx)",
             (unsigned long)at, kind_names[kind], execution.running, (unsigned long)instruction,
             kind_names[other_kind], other, (unsigned long)other_instruction);
    explore_fail(text, __FILE__, __LINE__);
    execution_leave();
}

static void compare(const struct granule *granule, unsigned other, enum kind kind, uint8_t bytes,
                    uintptr_t instruction)
{
    for (unsigned k = 0; k < KINDS; k++) {
        const struct record *record = &granule->records[other][k];
        if ((conflicts[kind] >> k & 1) && (granule->bytes[other][k] & bytes) != 0 &&
            record->clock > clocks[execution.running].of[other])
            report(granule->number * GRANULE, kind, instruction, other, k, record->instruction);
    }
}

static void access_granule(uintptr_t number, enum kind kind, uint8_t bytes, uintptr_t instruction)
{
    unsigned cpu = execution.running;
    struct granule *granule = granule_of(number);
    for (unsigned other = 0; other < execution.program->cpus; other++)
        if (other != cpu)
            compare(granule, other, kind, bytes, instruction);
    struct record *record = &granule->records[cpu][kind];
    uint32_t clock = clocks[cpu].of[cpu];
    if (granule->bytes[cpu][kind] == 0 || record->clock != clock) {
        *record = (struct record){clock, (uint32_t)instruction};
        granule->bytes[cpu][kind] = 0;
    }
    granule->bytes[cpu][kind] |= bytes;
}

void races_access(uintptr_t at, size_t bytes, bool writes, bool atomic, uintptr_t instruction)
{
    if (allowed)
        return;
    enum kind kind = (atomic ? ATOMIC_READ : PLAIN_READ) + writes;
    uintptr_t end = at + bytes;
    uintptr_t step = bytes > DENSE_BYTES ? SPARSE : 1;
    for (uintptr_t number = at / GRANULE; number * GRANULE < end; number += step) {
        uintptr_t first = at > number * GRANULE ? at - number * GRANULE : 0;
        uintptr_t last = end < (number + 1) * GRANULE ? end - number * GRANULE : GRANULE;
        access_granule(number, kind, (uint8_t)((1u << last) - (1u << first)), instruction);
    }
}
