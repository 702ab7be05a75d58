/* SPDX-License-Identifier: MIT */
/*
 * A frame allocator over memory that does not exist: only its tables do, in the heap under test.
 */
#ifndef TESTS_UNIT_FAKE_FRAMES_H
#define TESTS_UNIT_FAKE_FRAMES_H

#include "mm/frames/frame_allocator.h"

struct fake_frames {
    struct memory_map map;
    struct frame_allocator allocator;
    void *tables;
};

/* NULL when there is no memory. The tables begin with arbitrary contents, as on a real machine. */
struct fake_frames *fake_frames_create(const struct quarry_memory_region *regions,
                                       size_t region_count, unsigned cpus);
void fake_frames_destroy(struct fake_frames *fake);

#endif
