/* SPDX-License-Identifier: MIT */
/* The frame allocator's sums and their comparison, layer by layer; see frame_allocator.h. */
#include "lib/atomic.h"
#include "lib/check.h"
#include "mm/frames/frame_allocator.h"

size_t frame_allocator_free_count(const struct frame_allocator *allocator)
{
    size_t frames = atomic_load_relaxed(&allocator->pending_frames);
    size_t ready = atomic_load_acquire(&allocator->frontier);
    for (size_t tree = 0; tree < ready; tree++)
        frames += atomic_load_relaxed(&allocator->trees[tree]) & TREE_FREE_MASK;
    for (unsigned i = 0; i < frame_reservation_count(allocator); i++)
        frames += frame_reservation_read(allocator, i).frames;
    /* Frames that moved between the two loops were counted twice. */
    return min_u64(frames, atomic_load_relaxed(&allocator->total_frames));
}

/* Returns the child's free count. */
static size_t child_verify(const struct frame_allocator *allocator, size_t child)
{
    size_t first = child << CHILD_SHIFT;
    child_entry entry = allocator->children[child];
    if (!memory_map_may_own(allocator->map, first, first + CHILD_FRAMES)) {
        CHECK(entry == CHILD_HOLES, "quarry: absent child %zu has the entry %#x", child, entry);
        return 0;
    }
    unsigned clear = CHILD_FRAMES - bitmap_count_set(&allocator->bits[child]);
    unsigned expected = entry & CHILD_HUGE ? 0 : clear;
    CHECK(child_free(entry) == expected && (!(entry & CHILD_HUGE) || clear == CHILD_FRAMES),
          "quarry: child %zu has the entry %#x but %u clear bits", child, entry, clear);
    return child_free(entry);
}

static size_t reserved_of_tree(const struct frame_allocator *allocator, size_t tree,
                               unsigned *reservations)
{
    size_t frames = 0;
    *reservations = 0;
    for (unsigned i = 0; i < frame_reservation_count(allocator); i++) {
        struct frame_reserved reserved = frame_reservation_read(allocator, i);
        if (reserved.present && reserved.tree == tree) {
            frames += reserved.frames;
            ++*reservations;
        }
    }
    return frames;
}

void frame_allocator_verify(const struct frame_allocator *allocator)
{
    for (size_t tree = 0; tree < allocator->frontier; tree++) {
        size_t free_frames = 0;
        for (size_t i = 0; i < QUARRY_TREE_CHILDREN; i++)
            free_frames += child_verify(allocator, tree * QUARRY_TREE_CHILDREN + i);
        unsigned reservations;
        size_t reserved = reserved_of_tree(allocator, tree, &reservations);
        uint32_t entry = allocator->trees[tree];
        CHECK((entry & TREE_FREE_MASK) + reserved == free_frames,
              "quarry: tree %zu counts %u free frames and %zu reserved, its children %zu", tree,
              entry & TREE_FREE_MASK, reserved, free_frames);
        CHECK(reservations == (entry & TREE_RESERVED ? 1u : 0u),
              "quarry: tree %zu has the entry %#x but %u reservations", tree, entry, reservations);
    }
}
