/* SPDX-License-Identifier: MIT */
/*
 * The frames of the machine: the one face of this folder to the layers above.
 *
 * Memory belongs to nodes. A frame_node has an allocator of its own over the ranges of one node;
 * today there is one node, which has all memory. The layers above name a node where they allocate
 * and none where they free: the node follows from the frame's number. Which CPU asks, and so which
 * reservation of the allocator serves, is found here, inside the folder.
 *
 * Owner: quarry_init() writes `frames` before any other CPU runs; `reclaim` is set once more when
 * the heap is ready. Afterwards each allocator guards itself (frame_allocator.h).
 */
#ifndef MM_FRAMES_FRAMES_H
#define MM_FRAMES_FRAMES_H

#include <quarry/port.h>

#include "mm/frames/frame_allocator.h"

#define FRAME_NODES 1u

struct frame_node {
    struct frame_allocator allocator;
};

struct frames {
    size_t last_frame; /* the highest number that a frame may have; the fast path reads it */
    uintptr_t direct_map;
    struct frame_node nodes[FRAME_NODES];
    struct memory_map map;
    size_t (*reclaim)(size_t run);                    /* see frames_set_reclaim() */
    void (*memory_idle)(void *start, size_t bytes);   /* the port's; NULL: it has none */
    bool (*memory_needed)(void *start, size_t bytes); /* the same */
};

extern struct frames frames;

/* The node whose memory this CPU uses first. */
static inline struct frame_node *frame_node_here(void)
{
    return &frames.nodes[0];
}

/* The node that a frame belongs to. */
static inline struct frame_node *frame_node_of(size_t frame)
{
    (void)frame;
    return &frames.nodes[0];
}

static inline void *frame_address(size_t frame)
{
    return (void *)(frames.direct_map + (frame << FRAME_SHIFT));
}

/* The number of the frame that contains an address of the direct map. */
static inline size_t frame_at(const void *address)
{
    return ((uintptr_t)address - frames.direct_map) >> FRAME_SHIFT;
}

/* ---- start ---- */

/* Imports the memory map of the setup; returns one more than the highest frame in it. */
size_t frames_import(const struct quarry_setup *setup);

/* Bytes of boot memory that frames_init() needs at most. `end_frame`: what frames_import()
 * returned. */
size_t frames_boot_bytes(size_t end_frame, unsigned cpus);

/* Takes the smallest range of the map that has `bytes` bytes for Quarry's tables. False: there is
 * none, and nothing is changed. */
bool frames_open_boot_memory(struct boot_memory *boot, size_t bytes);

/* Builds the allocators; no frame can be allocated yet. */
void frames_init(struct boot_memory *boot, size_t end_frame, unsigned cpus);

/* Boot memory is closed, and frames can be allocated. */
void frames_open(void);

/*
 * From now on `reclaim` is called before a request of a kernel for frames fails. It frees memory
 * that may help a request for `run` frames in a row and returns the number of frames, 0 when no
 * more can be freed. No lock is held.
 */
void frames_set_reclaim(size_t (*reclaim)(size_t run));

/* ---- allocation; each returns NO_FRAME when there is no such memory, and none reclaims ---- */

/* 2^order frames, order 0 to 9. */
static inline size_t frames_alloc(struct frame_node *node, unsigned order)
{
    return frame_allocator_alloc(&node->allocator, quarry_port_cpu_number(), order);
}

static inline void frames_free(size_t frame, unsigned order)
{
    frame_allocator_free(&frame_node_of(frame)->allocator, quarry_port_cpu_number(), frame, order);
}

/* `count` frames in a row at a multiple of `align`, which end at or below `limit` (0: anywhere). */
static inline size_t frames_alloc_range(struct frame_node *node, size_t count, size_t align,
                                        size_t limit)
{
    return frame_allocator_alloc_range(&node->allocator, count, align, limit);
}

/* A range, or any part of one. */
static inline void frames_free_range(size_t first, size_t count)
{
    frame_allocator_free_range(&frame_node_of(first)->allocator, quarry_port_cpu_number(), first,
                               count);
}

/* The longest free run of some child that has one of at least `count` frames (1 to 512). */
static inline struct frame_range frames_alloc_remnant(struct frame_node *node, size_t count)
{
    return frame_allocator_alloc_remnant(&node->allocator, count);
}

/* Exactly [first, first + count). False: not all of it is free, and nothing is changed. */
static inline bool frames_claim(size_t first, size_t count)
{
    return frame_allocator_claim(&frame_node_of(first)->allocator, first, count);
}

/* A huge frame becomes 512 single ones, which are freed as ranges (frame_allocator_split()). */
static inline void frames_split(size_t first)
{
    frame_allocator_split(&frame_node_of(first)->allocator, first);
}

/* One frame for a table of Quarry's own, by its address; NULL when there is none. */
static inline void *frames_alloc_page(void)
{
    size_t frame = frames_alloc(frame_node_here(), 0);
    return frame != NO_FRAME ? frame_address(frame) : NULL;
}

/* As a range: the page may have been part of a huge frame (page_heap_lend_page()). */
static inline void frames_free_page(void *page)
{
    frames_free_range(frame_at(page), 1);
}

/* Frees frames in a row that the heap does not need. `report_idle`: also calls the port's
 * setup.memory_idle. */
void frames_release(size_t first, size_t count, bool report_idle);

/* ---- the allocators as a whole ---- */

/* Ends all reservations, so that the allocators' state depends only on what is allocated. */
void frames_drain(void);

/* All frames, free and allocated. */
size_t frames_total_count(void);

/* Free frames of the aligned 2 MiB block that contains `frame`. Any context; a hint. */
unsigned frames_free_in_block(size_t frame);

/* Bytes that the memory map lost because it has too many ranges. */
size_t frames_lost_bytes(void);

/* Compares all tables; stops where they disagree. No other CPU may be inside. */
void frames_verify(void);

/* ---- where the fast path, which may be the port's, goes when it misses ---- */

uint64_t frame_alloc_slow(unsigned order);
void frame_free_slow(uint64_t physical, unsigned order);

#endif
