/* SPDX-License-Identifier: MIT */
/* A model of cache lines; see lines.h. */
#include "tests/scaling/lines.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <quarry_arch.h>

#include "arch/linux/host.h"
#include "lib/bits.h"

#define LINE_BYTES 64u
#define CPUS 64u
#define STACK_BYTES ((uintptr_t)8 << 20)
#define OTHER_LINES ((size_t)1 << 20) /* hash table for the lines of the program's data */
#define OTHER_LOCKS 4096u
#define HOLDS_REMEMBERED 512u
#define MOVE_TICKS 50u /* the approximate cost of a line from another core, in cache hits */

struct counts counts;

static uint64_t *memory_holders; /* a set of CPUs for each line of the heap's memory */
static uintptr_t memory_start;
static size_t memory_lines;
static struct {
    uintptr_t line;
    uint64_t holders;
} others[OTHER_LINES];
struct hold {
    unsigned cpu;
    uint64_t from, to; /* by its clock; [from, to) */
};
struct lock_history {
    const volatile void *lock;
    size_t acquisitions;
    struct hold holds[HOLDS_REMEMBERED]; /* the latest, in a ring */
};
static struct lock_history histories[OTHER_LOCKS];
static uint64_t clocks[CPUS];
static unsigned current_cpu;
static uintptr_t stack_top;

static void fail(const char *why)
{
    fprintf(stderr, "scaling: %s\n", why);
    exit(1);
}

void lines_begin(uintptr_t start, size_t bytes)
{
    memory_start = start;
    memory_lines = bytes / LINE_BYTES;
    memory_holders = mmap(NULL, memory_lines * sizeof *memory_holders, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory_holders == MAP_FAILED)
        fail("no address space for the lines");
    stack_top = (uintptr_t)__builtin_frame_address(0) + STACK_BYTES / 8;
}

void lines_be_cpu(unsigned cpu)
{
    current_cpu = cpu;
    linux_be_cpu(cpu);
}

void lines_begin_round(void)
{
    uint64_t latest = 0;
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        latest = max_u64(latest, clocks[cpu]);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        clocks[cpu] = latest;
}

/* ---- the holders of a line ---- */

static uint64_t *holders_elsewhere(uintptr_t line)
{
    size_t place = (line * 0x9e3779b97f4a7c15u) >> 44;
    for (size_t tries = 0; tries < OTHER_LINES; tries++, place++) {
        if (others[place % OTHER_LINES].line == 0)
            others[place % OTHER_LINES].line = line;
        if (others[place % OTHER_LINES].line == line)
            return &others[place % OTHER_LINES].holders;
    }
    fail("too many lines");
    return NULL;
}

static uint64_t *holders_of(uintptr_t address)
{
    uintptr_t in_memory = (address - memory_start) / LINE_BYTES;
    return in_memory < memory_lines ? &memory_holders[in_memory]
                                    : holders_elsewhere(address / LINE_BYTES);
}

static bool is_private(uintptr_t address)
{
    return stack_top - address < STACK_BYTES ||
           address - (uintptr_t)&linux_cpu < sizeof linux_cpu || memory_holders == NULL;
}

static void access_line(uintptr_t address, bool writes)
{
    uint64_t *holders = holders_of(address);
    uint64_t self = (uint64_t)1 << current_cpu;
    bool moves = writes ? (*holders & ~self) != 0 : *holders != 0 && !(*holders & self);
    counts.moves += moves;
    clocks[current_cpu] += moves ? MOVE_TICKS : 1;
    *holders = writes ? self : *holders | self;
}

static void access_bytes(const volatile void *at, size_t bytes, bool writes)
{
    uintptr_t first = (uintptr_t)at;
    if (bytes == 0 || is_private(first))
        return;
    for (uintptr_t line = first / LINE_BYTES; line <= (first + bytes - 1) / LINE_BYTES; line++)
        access_line(line * LINE_BYTES, writes);
}

/* ---- locks, which are the only bytes that are exchanged atomically ---- */

static struct lock_history *history_of(const volatile void *lock)
{
    size_t place = ((uintptr_t)lock * 0x9e3779b97f4a7c15u) >> 52;
    while (histories[place % OTHER_LOCKS].lock != NULL &&
           histories[place % OTHER_LOCKS].lock != lock)
        place++;
    return &histories[place % OTHER_LOCKS];
}

static struct hold *latest_hold(struct lock_history *history)
{
    return &history->holds[(history->acquisitions - 1) % HOLDS_REMEMBERED];
}

/* Another CPU's hold of the lock at the time of this CPU's clock; NULL: none. */
static const struct hold *held_now(const struct lock_history *history)
{
    uint64_t now = clocks[current_cpu];
    for (size_t i = 0; i < HOLDS_REMEMBERED && i < history->acquisitions; i++) {
        const struct hold *hold = &history->holds[i];
        if (hold->cpu != current_cpu && hold->from <= now && now < hold->to)
            return hold;
    }
    return NULL;
}

static void note_acquisition(const volatile void *lock)
{
    struct lock_history *history = history_of(lock);
    const struct hold *held;
    counts.acquisitions++;
    counts.handovers += history->acquisitions > 0 && latest_hold(history)->cpu != current_cpu;
    counts.contended += held_now(history) != NULL;
    while ((held = held_now(history)) != NULL)
        clocks[current_cpu] = held->to;
    history->lock = lock;
    history->acquisitions++;
    *latest_hold(history) =
        (struct hold){current_cpu, clocks[current_cpu], clocks[current_cpu] + 1};
}

static void note_release(const volatile void *lock)
{
    struct lock_history *history = history_of(lock);
    if (history->lock == lock)
        latest_hold(history)->to = clocks[current_cpu];
}

/* ---- functions that the instrumentation calls ---- */

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_read_range(void *at, size_t bytes);
void __tsan_write_range(void *at, size_t bytes);
void *__real_memcpy(void *to, const void *from, size_t bytes);
void *__real_memset(void *at, int value, size_t bytes);
void *__wrap_memcpy(void *to, const void *from, size_t bytes);
void *__wrap_memset(void *at, int value, size_t bytes);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *at, size_t bytes)
{
    access_bytes(at, bytes, false);
}

void __tsan_write_range(void *at, size_t bytes)
{
    access_bytes(at, bytes, true);
}

void *__wrap_memcpy(void *to, const void *from, size_t bytes)
{
    access_bytes(from, bytes, false);
    access_bytes(to, bytes, true);
    return __real_memcpy(to, from, bytes);
}

void *__wrap_memset(void *at, int value, size_t bytes)
{
    access_bytes(at, bytes, true);
    return __real_memset(at, value, bytes);
}

#define PLAIN(bytes)                                                                               \
    void __tsan_read##bytes(void *at);                                                             \
    void __tsan_write##bytes(void *at);                                                            \
    void __tsan_read##bytes(void *at)                                                              \
    {                                                                                              \
        access_bytes(at, bytes, false);                                                            \
    }                                                                                              \
    void __tsan_write##bytes(void *at)                                                             \
    {                                                                                              \
        access_bytes(at, bytes, true);                                                             \
    }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

#define CHANGING(bits, type, name, builtin)                                                        \
    type __tsan_atomic##bits##_##name(volatile type *at, type value, int order);                   \
    type __tsan_atomic##bits##_##name(volatile type *at, type value, int order)                    \
    {                                                                                              \
        (void)order;                                                                               \
        access_bytes(at, sizeof *at, true);                                                        \
        counts.atomics++;                                                                          \
        if ((bits) == 8)                                                                           \
            note_acquisition(at);                                                                  \
        return builtin(at, value, __ATOMIC_SEQ_CST);                                               \
    }

#define ATOMIC(bits, type)                                                                         \
    type __tsan_atomic##bits##_load(const volatile type *at, int order);                           \
    void __tsan_atomic##bits##_store(volatile type *at, type value, int order);                    \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile type *at, type *expected,           \
                                                      type desired, int order, int other);         \
    type __tsan_atomic##bits##_load(const volatile type *at, int order)                            \
    {                                                                                              \
        (void)order;                                                                               \
        access_bytes(at, sizeof *at, false);                                                       \
        return *at;                                                                                \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile type *at, type value, int order)                     \
    {                                                                                              \
        (void)order;                                                                               \
        access_bytes(at, sizeof *at, true);                                                        \
        *at = value;                                                                               \
        if ((bits) == 8)                                                                           \
            note_release(at);                                                                      \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile type *at, type *expected,           \
                                                      type desired, int order, int other)          \
    {                                                                                              \
        (void)order, (void)other;                                                                  \
        access_bytes(at, sizeof *at, true);                                                        \
        counts.atomics++;                                                                          \
        return __atomic_compare_exchange_n(at, expected, desired, false, __ATOMIC_SEQ_CST,         \
                                           __ATOMIC_SEQ_CST);                                      \
    }                                                                                              \
    CHANGING(bits, type, exchange, __atomic_exchange_n)                                            \
    CHANGING(bits, type, fetch_add, __atomic_fetch_add)                                            \
    CHANGING(bits, type, fetch_sub, __atomic_fetch_sub)                                            \
    CHANGING(bits, type, fetch_and, __atomic_fetch_and)                                            \
    CHANGING(bits, type, fetch_or, __atomic_fetch_or)

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
