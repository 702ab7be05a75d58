/* SPDX-License-Identifier: MIT */
/*
 * Atomic operations, by the name of what they promise.
 *
 * Every word that two CPUs may touch at once, and that no lock guards, is read and written
 * through this file and through lib/spinlock.h, nowhere else. So the places where CPUs meet can be
 * found by searching for `atomic_`, and a test build (QUARRY_EXPLORE) puts a scheduling point
 * before each: there a test decides which CPU goes on.
 *
 * Memory order is part of the name: `relaxed` orders nothing (counters, hints); `acquire` sees
 * all that the matching `release` published; the read-modify-write operations are acquire and
 * release both, which costs nothing on x86-64 and saves arguments elsewhere.
 *
 * They are macros over the compiler's builtins, for they serve integers of every width and
 * pointers alike.
 */
#ifndef LIB_ATOMIC_H
#define LIB_ATOMIC_H

#include <stdbool.h>

#include <quarry/config.h>

#if QUARRY_EXPLORE
/* Defined by the test: the CPU that calls is about to read, or perhaps to write, `word`. */
void schedule_point(const volatile void *word, bool writes);
#else
#define schedule_point(word, writes) ((void)0)
#endif

#define atomic_load_relaxed(word)                                                                  \
    (schedule_point(word, false), __atomic_load_n((word), __ATOMIC_RELAXED))
#define atomic_load_acquire(word)                                                                  \
    (schedule_point(word, false), __atomic_load_n((word), __ATOMIC_ACQUIRE))
#define atomic_store_relaxed(word, value)                                                          \
    (schedule_point(word, true), __atomic_store_n((word), (value), __ATOMIC_RELAXED))
#define atomic_store_release(word, value)                                                          \
    (schedule_point(word, true), __atomic_store_n((word), (value), __ATOMIC_RELEASE))

/* Each returns the value that stood there before. */
#define atomic_exchange(word, value)                                                               \
    (schedule_point(word, true), __atomic_exchange_n((word), (value), __ATOMIC_ACQ_REL))
#define atomic_fetch_add(word, value)                                                              \
    (schedule_point(word, true), __atomic_fetch_add((word), (value), __ATOMIC_ACQ_REL))
#define atomic_fetch_sub(word, value)                                                              \
    (schedule_point(word, true), __atomic_fetch_sub((word), (value), __ATOMIC_ACQ_REL))
#define atomic_fetch_or(word, value)                                                               \
    (schedule_point(word, true), __atomic_fetch_or((word), (value), __ATOMIC_ACQ_REL))
#define atomic_fetch_and(word, value)                                                              \
    (schedule_point(word, true), __atomic_fetch_and((word), (value), __ATOMIC_ACQ_REL))

/*
 * Puts `desired` where `*expected` stands and returns true; where something else stands, returns
 * false and leaves that in `*expected`, ready for the next try.
 */
#define atomic_compare_swap(word, expected, desired)                                               \
    (schedule_point(word, true), __atomic_compare_exchange_n((word), (expected), (desired), false, \
                                                             __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))

#endif
