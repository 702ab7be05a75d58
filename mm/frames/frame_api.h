/* SPDX-License-Identifier: MIT */
/*
 * The machine's frames: the one memory map and frame allocator that quarry_init() sets up, and
 * the short forms by which the layers above use them.
 */
#ifndef MM_FRAMES_FRAME_API_H
#define MM_FRAMES_FRAME_API_H

#include "mm/frames/frame_allocator.h"

/* Written by quarry_init(), before any other CPU looks; then each part guards itself. */
struct frames {
    size_t last_frame; /* the highest number that a frame may have */
    struct frame_allocator allocator;
    struct memory_map map;
    uintptr_t direct_map;
    /* Set by the heap: gives idle memory back that may help somebody who wants `run` frames in a
     * row; returns the number of frames, 0 when there is no more. No lock is held. */
    size_t (*reclaim)(size_t run);
    void (*memory_idle)(void *start, size_t bytes); /* the port's; NULL: it has none */
};

extern struct frames frames;

/* The ways of all that the fast path, which may be the port's, does not do. */
uint64_t frame_alloc_slow(unsigned order);
void frame_free_slow(uint64_t physical, unsigned order);

static inline void *frame_address(size_t frame)
{
    return (void *)(frames.direct_map + (frame << FRAME_SHIFT));
}

/* The number of the frame in which an address of the direct map lies. */
static inline size_t frame_at(const void *address)
{
    return ((uintptr_t)address - frames.direct_map) >> FRAME_SHIFT;
}

/* One frame for a table of Quarry's own; NULL when there is none. Does not reclaim. */
static inline void *frames_alloc_page(void)
{
    size_t frame = frame_allocator_alloc(&frames.allocator, quarry_port_cpu_number(), 0);
    return frame != NO_FRAME ? frame_address(frame) : NULL;
}

/* Frames in a row that were the heap's go back; the port is told, if `retire`. */
void frames_give_range(size_t first, size_t count, bool retire);

/* As a range, for the page may have been part of a huge frame (page_heap_lend_page()). */
static inline void frames_free_page(void *page)
{
    frame_allocator_free_range(&frames.allocator, quarry_port_cpu_number(), frame_at(page), 1);
}

#endif
