/* SPDX-License-Identifier: MIT */
/*
 * The frame allocator's beginning: its tables, the frontier behind which trees are ready, and
 * memory that joins late. See frame_allocator.h.
 */
#include "lib/atomic.h"
#include "lib/check.h"
#include "lib/memory.h"
#include "mm/frames/frame_allocator.h"

#define LINE_BYTES ((size_t)64)

static size_t trees_up_to(size_t end_frame)
{
    return divide_up(end_frame, TREE_FRAMES);
}

size_t frame_allocator_boot_bytes(size_t end_frame, unsigned cpus)
{
    size_t trees = trees_up_to(end_frame);
    size_t children = trees * QUARRY_TREE_CHILDREN;
    size_t per_child = sizeof(struct bitmap) + sizeof(child_entry);
    return children * per_child + trees * sizeof(uint32_t) +
           cpus * RESERVATIONS_PER_CPU * sizeof(struct frame_reservation) + 4 * LINE_BYTES;
}

void frame_allocator_init(struct frame_allocator *allocator, const struct memory_map *map,
                          struct boot_memory *boot, unsigned cpus)
{
    size_t trees = trees_up_to(memory_map_end(map));
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

/* Clears the bits of what `set` has of this child, and returns how many they are. */
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

/* A child none of whose frames is or will be ours keeps its bits unwritten: nobody reads them. */
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
 * frontier_lock is held. Returns the tree's usable frames. Most children are whole, and somebody
 * waits for the first frame of the tree: so they are built many at a time.
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

bool frame_frontier_advance(struct frame_allocator *allocator)
{
    irq_state irq = spinlock_acquire(&allocator->frontier_lock);
    size_t usable = 0;
    size_t tree = allocator->frontier;
    while (usable == 0 && tree < allocator->tree_count)
        usable = tree_build(allocator, tree++);
    atomic_store_relaxed(&allocator->pending_frames, allocator->pending_frames - usable);
    atomic_store_release(&allocator->frontier, tree);
    spinlock_release(&allocator->frontier_lock, irq);
    return usable > 0;
}

/* Children that the range made whole lose their mark: they can be huge frames from now on. */
static void forget_holes(struct frame_allocator *allocator, size_t first, size_t end)
{
    for (size_t at = round_down(first, CHILD_FRAMES); at < end; at += CHILD_FRAMES)
        if (memory_map_owns(allocator->map, at, at + CHILD_FRAMES))
            atomic_fetch_and(&allocator->children[at >> CHILD_SHIFT], (child_entry)~CHILD_HOLES);
}

/* One reclaimable range, as far as its trees are ready: its frames are freed. */
static size_t release_ready(struct frame_allocator *allocator, const struct frame_range *range)
{
    size_t ready_end = allocator->frontier * TREE_FRAMES;
    size_t end = min_u64(range->end, ready_end);
    if (range->first >= end)
        return 0;
    frame_allocator_free_range(allocator, quarry_port_cpu_number(), range->first,
                               end - range->first);
    forget_holes(allocator, range->first, end);
    return end - range->first;
}

size_t frame_allocator_reclaim(struct frame_allocator *allocator, struct memory_map *map)
{
    irq_state irq = spinlock_acquire(&allocator->frontier_lock);
    size_t gained = 0;
    size_t released = 0;
    if (!map->reclaimed) {
        atomic_store_release(&map->reclaimed, true);
        for (unsigned i = 0; i < map->reclaimable.count; i++)
            released += release_ready(allocator, &map->reclaimable.range[i]);
        gained = range_set_count_frames(&map->reclaimable);
        atomic_store_relaxed(&allocator->pending_frames,
                             allocator->pending_frames + gained - released);
        atomic_store_relaxed(&allocator->total_frames, allocator->total_frames + gained);
    }
    spinlock_release(&allocator->frontier_lock, irq);
    return gained;
}

size_t frame_allocator_free_count(const struct frame_allocator *allocator)
{
    size_t frames = atomic_load_relaxed(&allocator->pending_frames);
    size_t ready = atomic_load_acquire(&allocator->frontier);
    for (size_t tree = 0; tree < ready; tree++)
        frames += atomic_load_relaxed(&allocator->trees[tree]) & TREE_FREE_MASK;
    for (unsigned i = 0; i < frame_reservation_count(allocator); i++)
        frames += (uint32_t)atomic_load_relaxed(&allocator->reservations[i].word);
    /* What moved while it was counted may have been counted twice. */
    return min_u64(frames, atomic_load_relaxed(&allocator->total_frames));
}

/* ---- verify ---- */

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
        uint64_t word = allocator->reservations[i].word;
        if ((word & RESERVATION_PRESENT) && (word & ~RESERVATION_PRESENT) >> 32 == tree) {
            frames += (uint32_t)word;
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
