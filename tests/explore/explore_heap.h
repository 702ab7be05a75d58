/* SPDX-License-Identifier: MIT */
/*
 * A small heap for programs that are run thousands of times, and what their checks look at.
 */
#ifndef TESTS_EXPLORE_EXPLORE_HEAP_H
#define TESTS_EXPLORE_EXPLORE_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* A fresh heap of `bytes` at 64 MiB, so that the first tree, which is used last, is empty. Each
 * CPU has been online and is offline again: every object goes to the shared lists and back. */
void explore_heap_fresh(size_t bytes);

/* Every CPU has a cache of its own. */
void explore_cpus_online(void);

/* Empties all caches, gives everything back, verifies; as many frames must be free as after
 * explore_heap_fresh(). */
void explore_expect_nothing_lost(void);

/* Notes who has a frame: a failure if somebody has it already, or nobody on giving back. */
void explore_frames_taken(uint64_t physical, size_t count);
void explore_frames_given(uint64_t physical, size_t count);

/* Memory for one object of each CPU: filled, and found so again. */
void explore_fill(void *object, size_t bytes, unsigned char value);
void explore_expect_filled(const void *object, size_t bytes, unsigned char value);

#endif
