/* SPDX-License-Identifier: MIT */
/*
 * A small heap for programs that run thousands of times, and functions for their checks.
 */
#ifndef TESTS_EXPLORE_EXPLORE_HEAP_H
#define TESTS_EXPLORE_EXPLORE_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* Starts a fresh heap of `bytes` at 64 MiB, so that the first tree, which is used last, is empty.
 * Every CPU was online once and is offline, so every object moves through the shared lists. */
void explore_heap_fresh(size_t bytes);

/* The same, at another place, with memory that the boot loader still uses, and with a function that
 * interrupts a CPU. What is 0 or NULL is not there. */
struct explore_heap {
    uint64_t base;
    size_t bytes;
    size_t reclaimable_bytes; /* behind the rest */
    void (*interrupt_cpu)(unsigned cpu);
};
void explore_heap_fresh_as(const struct explore_heap *heap);

/* Brings every CPU online, with a cache. */
void explore_cpus_online(void);

/* Frames that were not there at the start have become usable. */
void explore_expect_more(size_t frames);

/* Takes every CPU offline, scavenges and verifies. The number of free frames must be the same as
 * after explore_heap_fresh(). */
void explore_expect_nothing_lost(void);

/* Record that frames were allocated, or are about to be freed. Fail if a frame was allocated
 * already, or was not allocated. */
void explore_note_alloc(uint64_t physical, size_t count);
void explore_note_free(uint64_t physical, size_t count);

/* Fill an object, and check that it is filled. */
void explore_fill(void *object, size_t bytes, unsigned char value);
void explore_expect_filled(const void *object, size_t bytes, unsigned char value);

#endif
