/* SPDX-License-Identifier: MIT */
/*
 * Atomic operations. The name of each states its memory order.
 *
 * Every word that two CPUs may access at the same time without a lock is read and written through
 * this file or lib/spinlock.h, nowhere else. A search for `atomic_` finds all shared accesses. A
 * test build (QUARRY_EXPLORE) puts a scheduling point before each access, where the test decides
 * which CPU continues.
 *
 * `relaxed` orders nothing (counters, hints). `acquire` sees all that the matching `release`
 * published. Read-modify-write operations are both acquire and release. This costs nothing on
 * x86-64.
 *
 * They are macros over the compiler's builtins because they take integers of every width and
 * pointers.
 */
#ifndef LIB_ATOMIC_H
#define LIB_ATOMIC_H

#include <stdbool.h>

#include <quarry/config.h>

#if QUARRY_EXPLORE
/* Defined by the test: the calling CPU is about to read `word`, or, if `writes`, to write it. */
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

/* Each returns the old value. */
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
 * If the word equals `*expected`, stores `desired` and returns true. Otherwise stores the word's
 * value in `*expected`, for the next attempt, and returns false.
 */
#define atomic_compare_swap(word, expected, desired)                                               \
    (schedule_point(word, true), __atomic_compare_exchange_n((word), (expected), (desired), false, \
                                                             __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))

#endif
