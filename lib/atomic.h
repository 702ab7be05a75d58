/* SPDX-License-Identifier: MIT */
/*
 * Atomic operations. The name of each states its memory order.
 *
 * Every word that two CPUs may access at the same time without a lock is read and written through
 * this file or lib/spinlock.h, nowhere else. A search for `atomic_` finds all shared accesses.
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

#define atomic_load_relaxed(word) __atomic_load_n((word), __ATOMIC_RELAXED)
#define atomic_load_acquire(word) __atomic_load_n((word), __ATOMIC_ACQUIRE)
#define atomic_store_relaxed(word, value) __atomic_store_n((word), (value), __ATOMIC_RELAXED)
#define atomic_store_release(word, value) __atomic_store_n((word), (value), __ATOMIC_RELEASE)

/* Each returns the old value. */
#define atomic_exchange(word, value) __atomic_exchange_n((word), (value), __ATOMIC_ACQ_REL)
#define atomic_fetch_add(word, value) __atomic_fetch_add((word), (value), __ATOMIC_ACQ_REL)
#define atomic_fetch_sub(word, value) __atomic_fetch_sub((word), (value), __ATOMIC_ACQ_REL)
#define atomic_fetch_or(word, value) __atomic_fetch_or((word), (value), __ATOMIC_ACQ_REL)
#define atomic_fetch_and(word, value) __atomic_fetch_and((word), (value), __ATOMIC_ACQ_REL)

/*
 * If the word equals `*expected`, stores `desired` and returns true. Otherwise stores the word's
 * value in `*expected`, for the next attempt, and returns false.
 */
#define atomic_compare_swap(word, expected, desired)                                               \
    __atomic_compare_exchange_n((word), (expected), (desired), false, __ATOMIC_ACQ_REL,            \
                                __ATOMIC_ACQUIRE)

#endif
