/* SPDX-License-Identifier: MIT */
/*
 * The frame allocator's start: its tables, and the frontier, below which trees are ready. See
 * frame_allocator.h.
 */
#include "lib/atomic.h"
#include "lib/check.h"
#include "lib/memory.h"
#include "mm/frames/frame_allocator.h"

static size_t trees_up_to(size_t end_frame)
{
    return divide_up(end_frame, TREE_FRAMES);
}

size_t frame_allocator_boot_bytes(size_t end_frame, unsigned cpus)
{
    size_t trees = trees_up_to(end_frame);
    size_t children = trees * QUARRY_TREE_CHILDREN;
    return boot_memory_bound(children * sizeof(struct bitmap)) +
           boot_memory_bound(children * sizeof(child_entry)) +
           boot_memory_bound(trees * sizeof(uint32_t)) +
           boot_memory_bound(cpus * RESERVATIONS_PER_CPU * sizeof(struct frame_reservation));
}

void frame_allocator_init(struct frame_allocator *allocator, const struct memory_map *map,
                          size_t end_frame, struct boot_memory *boot, unsigned cpus)
{
    size_t trees = trees_up_to(end_frame);
    size_t children = trees * QUARRY_TREE_CHILDREN;
    *allocator = (struct frame_allocator){
        .map = map,
        .bits = boot_memory_alloc(boot, children * sizeof(struct bitmap)),
        .children = boot_memory_alloc(boot, children * sizeof(child_entry)),
        .trees = boot_memory_alloc(boot, trees * sizeof(uint32_t)),
        .reservations = boot_memory_alloc_cleared(boot, cpus * RESERVATIONS_PER_CPU *
                                                            sizeof(struct frame_reservation)),
        .child_count = children,
        .tree_count = trees,
        .cpus = cpus,
    };
    spinlock_init(&allocator->frontier_lock, LOCK_RANK_FRAME_FRONTIER);
    spinlock_init(&allocator->search_lock, LOCK_RANK_FRAME_SEARCH);
    spinlock_init(&allocator->moves_lock, LOCK_RANK_FRAME_MOVES);
}

void frame_allocator_open(struct frame_allocator *allocator)
{
    allocator->total_frames = range_set_count_frames(&allocator->map->usable);
    allocator->pending_frames = allocator->total_frames;
}

/* Clears the bits of the frames of this child that are in `set`; returns their number. */
static unsigned mark_usable(struct bitmap *bits, const struct range_set *set, size_t first)
{
    unsigned usable = 0;
    for (unsigned i = range_set_seek(set, first); i < set->count; i++) {
        const struct frame_range *range = &set->range[i];
        if (range->first >= first + CHILD_FRAMES)
            break;
        size_t from = max_u64(range->first, first);
        size_t to = min_u64(range->end, first + CHILD_FRAMES);
        bitmap_clear(bits, (unsigned)(from - first), (unsigned)(to - from));
        usable += (unsigned)(to - from);
    }
    return usable;
}

/* The bits of a child without any frame of ours, now or later, are never read: they stay
 * unwritten. */
static unsigned build_with_holes(const struct memory_map *map, size_t first, struct bitmap *bits)
{
    if (!memory_map_may_own(map, first, first + CHILD_FRAMES))
        return 0;
    bitmap_set(bits, 0, CHILD_FRAMES);
    unsigned usable = mark_usable(bits, &map->usable, first);
    if (map->reclaimed)
        usable += mark_usable(bits, &map->reclaimable, first);
    return usable;
}

static unsigned child_build(struct frame_allocator *allocator, size_t child)
{
    unsigned usable =
        build_with_holes(allocator->map, child << CHILD_SHIFT, &allocator->bits[child]);
    unsigned holes = usable < CHILD_FRAMES ? CHILD_HOLES : 0;
    allocator->children[child] = (child_entry)(usable | holes);
    return usable;
}

static void build_whole(struct frame_allocator *allocator, size_t child, size_t count)
{
    memory_clear(&allocator->bits[child], count * sizeof(struct bitmap));
    for (size_t i = 0; i < count; i++)
        allocator->children[child + i] = CHILD_FRAMES;
}

/* The children from `child` to `end` that are whole, and lie in one range with the first. */
static size_t whole_children(const struct range_set *usable, size_t child, size_t end)
{
    unsigned index = range_set_seek(usable, child << CHILD_SHIFT);
    if (index == usable->count || usable->range[index].first > child << CHILD_SHIFT)
        return 0;
    return min_u64(usable->range[index].end >> CHILD_SHIFT, end) - child;
}

/*
 * Returns the tree's usable frames. frontier_lock is held, and an allocation waits for the tree.
 * Most children are whole, so runs of whole children are built at once.
 */
static size_t tree_build(struct frame_allocator *allocator, size_t tree)
{
    size_t usable = 0;
    size_t child = tree * QUARRY_TREE_CHILDREN;
    size_t end = child + QUARRY_TREE_CHILDREN;
    while (child < end) {
        size_t whole = whole_children(&allocator->map->usable, child, end);
        build_whole(allocator, child, whole);
        usable += whole * CHILD_FRAMES;
        child += whole;
        if (child < end)
            usable += child_build(allocator, child++);
    }
    allocator->trees[tree] = (uint32_t)usable;
    return usable;
}

/* Whether the frames of the tree, some of which are usable, can be used now. */
static bool has_memory(const struct frame_allocator *allocator, size_t tree)
{
    return allocator->memory_needed == NULL ||
           allocator->memory_needed(tree * TREE_FRAMES, TREE_FRAMES);
}

/* A tree without memory is built again by the next call. */
bool frame_frontier_advance(struct frame_allocator *allocator)
{
    irq_state irq = spinlock_acquire(&allocator->frontier_lock);
    size_t usable = 0;
    size_t tree = allocator->frontier;
    while (usable == 0 && tree < allocator->tree_count)
        usable = tree_build(allocator, tree++);
    if (usable > 0 && !has_memory(allocator, tree - 1)) {
        usable = 0;
        tree--;
    }
    atomic_store_relaxed(&allocator->pending_frames, allocator->pending_frames - usable);
    atomic_store_release(&allocator->frontier, tree);
    spinlock_release(&allocator->frontier_lock, irq);
    return usable > 0;
}
