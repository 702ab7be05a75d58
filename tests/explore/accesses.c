/* SPDX-License-Identifier: MIT */
/*
 * The functions that the compiler calls at each access to memory (-fsanitize=thread), in place of a
 * sanitizer's. lib/, mm/ and the programs are compiled so.
 *
 * An atomic access is a point: another CPU may run first. A plain access is none: where
 * synchronisation orders it with those of other CPUs, a switch there changes nothing, and where
 * nothing orders it, it is a failure (races.c). In programs that may race it is a point in one of
 * the searches.
 */
#include <string.h>

#include "tests/explore/execution.h"

#define INSTRUCTION ((uintptr_t)__builtin_return_address(0))

static void plain(const volatile void *at, size_t bytes, bool writes, uintptr_t instruction)
{
    if (execution.running == NO_CPU || bytes == 0 || execution_is_private((uintptr_t)at))
        return;
    if (execution.plain_points)
        execution_point(at, writes);
    store_buffer_drain_if_held((uintptr_t)at, bytes);
    races_access((uintptr_t)at, bytes, writes, false, instruction);
}

static bool acquires(int order)
{
    return order != __ATOMIC_RELAXED && order != __ATOMIC_RELEASE;
}

static bool releases(int order)
{
    return order != __ATOMIC_RELAXED && order != __ATOMIC_ACQUIRE && order != __ATOMIC_CONSUME;
}

/* Whether a store is held. Once one is, the later ones are too: they stay in order. */
static bool is_held(bool shared)
{
    return !store_buffer_is_empty() || (shared && execution_chooses_to_hold());
}

static void store_seen(const volatile void *word, bool released)
{
    if (released) {
        struct vector_clock clock = races_released();
        races_release(word, &clock);
    } else {
        races_store_relaxed(word);
    }
    execution_wake_others();
}

/* Before and after a read-modify-write. */
static void begin_change(const volatile void *word, size_t bytes, int order, uintptr_t instruction)
{
    execution_point(word, true);
    store_buffer_drain();
    races_access((uintptr_t)word, bytes, true, true, instruction);
    if (acquires(order))
        races_acquire(word);
}

static void end_change(const volatile void *word, int order)
{
    if (releases(order))
        races_release_also(word);
    execution_wake_others();
}

/* ---- plain accesses ---- */

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_read_range(void *at, size_t bytes);
void __tsan_write_range(void *at, size_t bytes);
void *explore_memcpy(void *to, const void *from, size_t bytes);
void *explore_memset(void *at, int value, size_t bytes);
/* clang calls these two; gcc calls memcpy() and memset(), which mk/host.mk renames. */
void *__tsan_memcpy(void *to, const void *from, size_t bytes)
    __attribute__((alias("explore_memcpy")));
void *__tsan_memset(void *at, int value, size_t bytes) __attribute__((alias("explore_memset")));
void __tsan_atomic_thread_fence(int order);

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
    plain(at, bytes, false, INSTRUCTION);
}

void __tsan_write_range(void *at, size_t bytes)
{
    plain(at, bytes, true, INSTRUCTION);
}

void *explore_memcpy(void *to, const void *from, size_t bytes)
{
    plain(from, bytes, false, INSTRUCTION);
    plain(to, bytes, true, INSTRUCTION);
    return memcpy(to, from, bytes);
}

void *explore_memset(void *at, int value, size_t bytes)
{
    plain(at, bytes, true, INSTRUCTION);
    return memset(at, value, bytes);
}

#define PLAIN(name, bytes)                                                                         \
    void name##read##bytes(void *at);                                                              \
    void name##write##bytes(void *at);                                                             \
    void name##read##bytes(void *at)                                                               \
    {                                                                                              \
        plain(at, bytes, false, INSTRUCTION);                                                      \
    }                                                                                              \
    void name##write##bytes(void *at)                                                              \
    {                                                                                              \
        plain(at, bytes, true, INSTRUCTION);                                                       \
    }

PLAIN(__tsan_, 1)
PLAIN(__tsan_, 2)
PLAIN(__tsan_, 4)
PLAIN(__tsan_, 8)
PLAIN(__tsan_, 16)
PLAIN(__tsan_unaligned_, 2)
PLAIN(__tsan_unaligned_, 4)
PLAIN(__tsan_unaligned_, 8)
PLAIN(__tsan_unaligned_, 16)

/* ---- atomic accesses ---- */

/* Only the sequentially consistent one has an effect: it waits for the CPU's stores. */
void __tsan_atomic_thread_fence(int order)
{
    if (execution.running != NO_CPU && order == __ATOMIC_SEQ_CST)
        store_buffer_drain();
}

#define CHANGING(bits, type, name, builtin)                                                        \
    type __tsan_atomic##bits##_##name(volatile type *at, type value, int order);                   \
    type __tsan_atomic##bits##_##name(volatile type *at, type value, int order)                    \
    {                                                                                              \
        if (execution.running == NO_CPU)                                                           \
            return builtin(at, value, __ATOMIC_SEQ_CST);                                           \
        begin_change(at, sizeof *at, order, INSTRUCTION);                                          \
        type old = builtin(at, value, __ATOMIC_SEQ_CST);                                           \
        end_change(at, order);                                                                     \
        return old;                                                                                \
    }

#define ATOMIC(bits, type)                                                                         \
    type __tsan_atomic##bits##_load(const volatile type *at, int order);                           \
    void __tsan_atomic##bits##_store(volatile type *at, type value, int order);                    \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile type *at, type *expected,           \
                                                      type desired, int order, int other);         \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *at, type expected,              \
                                                    type desired, int order, int other);           \
    type __tsan_atomic##bits##_load(const volatile type *at, int order)                            \
    {                                                                                              \
        uint64_t own;                                                                              \
        if (execution.running == NO_CPU)                                                           \
            return *at;                                                                            \
        if (execution_point(at, false))                                                            \
            store_buffer_note_load();                                                              \
        races_access((uintptr_t)at, sizeof *at, false, true, INSTRUCTION);                         \
        if (store_buffer_read(at, &own))                                                           \
            return (type)own;                                                                      \
        if (acquires(order))                                                                       \
            races_acquire(at);                                                                     \
        return *at;                                                                                \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile type *at, type value, int order)                     \
    {                                                                                              \
        if (execution.running == NO_CPU) {                                                         \
            *at = value;                                                                           \
            return;                                                                                \
        }                                                                                          \
        bool shared = execution_point(at, true);                                                   \
        races_access((uintptr_t)at, sizeof *at, true, true, INSTRUCTION);                          \
        if (is_held(shared)) {                                                                     \
            store_buffer_hold(at, value, sizeof *at, releases(order));                             \
            return;                                                                                \
        }                                                                                          \
        *at = value;                                                                               \
        store_seen(at, releases(order));                                                           \
    }                                                                                              \
    static bool compare_exchange##bits(volatile type *at, type *expected, type desired, int order, \
                                       uintptr_t instruction)                                      \
    {                                                                                              \
        if (execution.running == NO_CPU)                                                           \
            return __atomic_compare_exchange_n(at, expected, desired, false, __ATOMIC_SEQ_CST,     \
                                               __ATOMIC_SEQ_CST);                                  \
        begin_change(at, sizeof *at, order, instruction);                                          \
        bool changed = __atomic_compare_exchange_n(at, expected, desired, false, __ATOMIC_SEQ_CST, \
                                                   __ATOMIC_SEQ_CST);                              \
        if (changed)                                                                               \
            end_change(at, order);                                                                 \
        return changed;                                                                            \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile type *at, type *expected,           \
                                                      type desired, int order, int other)          \
    {                                                                                              \
        (void)other;                                                                               \
        return compare_exchange##bits(at, expected, desired, order, INSTRUCTION);                  \
    }                                                                                              \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *at, type expected,              \
                                                    type desired, int order, int other)            \
    {                                                                                              \
        (void)other;                                                                               \
        compare_exchange##bits(at, &expected, desired, order, INSTRUCTION);                        \
        return expected;                                                                           \
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
