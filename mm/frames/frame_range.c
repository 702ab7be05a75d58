/* SPDX-License-Identifier: MIT */
/*
 * Runs of frames that are not 2^order for order 0 to 9: longer, odd, oddly aligned, or below an
 * address; and the remnants of broken children. See frame_allocator.h.
 *
 * A search goes over the children's entries from low to high and joins free frames to a run: a
 * whole child adds 512 frames by one read. The run is a guess, because other CPUs allocate
 * meanwhile. The claim decides: it claims child by child, and undoes all if one child fails. Then
 * the search continues behind that child.
 */
#include "lib/atomic.h"
#include "lib/fault.h"
#include "mm/frames/frame_allocator.h"

/* ---- freeing ---- */

void frame_allocator_split(struct frame_allocator *allocator, size_t first)
{
    size_t child = first >> CHILD_SHIFT;
    child_entry *entry = &allocator->children[child];
    if (atomic_load_relaxed(entry) & CHILD_HUGE)
        child_split_huge(entry, &allocator->bits[child]);
}

void frame_allocator_free_range(struct frame_allocator *allocator, unsigned cpu, size_t first,
                                size_t count)
{
    size_t end = first + count;
    while (first < end) {
        size_t piece = frames_in_child(first, end);
        frame_free_in_child(allocator, cpu, first, piece);
        first += piece;
    }
}

/* ---- claiming exact frames ---- */

static bool claim_in_entry_and_bits(struct frame_allocator *allocator, size_t first, size_t count)
{
    size_t child = first >> CHILD_SHIFT;
    child_entry *entry = &allocator->children[child];
    if (count == CHILD_FRAMES) {
        if (!child_take_huge(entry))
            return false;
        child_split_huge(entry, &allocator->bits[child]); /* it may be freed in parts */
        return true;
    }
    if (!child_take(entry, (unsigned)count))
        return false;
    if (child_bits_take_exact(&allocator->bits[child], first % CHILD_FRAMES, (unsigned)count))
        return true;
    child_give(entry, (unsigned)count);
    return false;
}

/* All in one child. */
static bool claim_piece(struct frame_allocator *allocator, size_t first, size_t count)
{
    size_t tree = first / TREE_FRAMES;
    if (fault_here(FAULT_CLAIM_PIECE))
        return false;
    if (!frame_tree_take(allocator, tree, count))
        return false;
    if (claim_in_entry_and_bits(allocator, first, count))
        return true;
    frame_tree_give(allocator, tree, count);
    return false;
}

/* Returns `first + count` for success, else where the claim failed; then all is undone. */
static size_t claim_run(struct frame_allocator *allocator, size_t first, size_t count)
{
    size_t end = first + count;
    size_t at = first;
    while (at < end && claim_piece(allocator, at, frames_in_child(at, end)))
        at += frames_in_child(at, end);
    if (at < end && at > first)
        frame_allocator_free_range(allocator, quarry_port_cpu_number(), first, at - first);
    return at;
}

bool frame_allocator_claim(struct frame_allocator *allocator, size_t first, size_t count)
{
    size_t end = first + count;
    if (end < first || end > atomic_load_acquire(&allocator->frontier) * TREE_FRAMES)
        return false;
    return claim_run(allocator, first, count) == end;
}

/* ---- the search ---- */

/* The request, and the free run that the search has found so far. */
struct search {
    struct frame_allocator *allocator;
    size_t count;
    size_t align;
    size_t limit; /* the end of the last frame allowed */
    size_t run_first;
    size_t run_end; /* run_first == run_end: no run */
};

/* Claims the request from the run. NO_FRAME: the run is too short, or the claim failed. */
static size_t search_claim(struct search *search)
{
    for (;;) {
        size_t first = round_up(search->run_first, search->align);
        size_t end = first + search->count;
        if (first < search->run_first || end > search->run_end || end > search->limit)
            return NO_FRAME;
        size_t reached = claim_run(search->allocator, first, search->count);
        if (reached == end)
            return first;
        /* Another CPU took a frame in the child of `reached`: continue behind that child. */
        size_t behind = round_up(reached + 1, CHILD_FRAMES);
        search->run_first = min_u64(behind, search->run_end);
    }
}

/* [first, end) is free: it lengthens the run, or starts a new one. */
static size_t search_add(struct search *search, size_t first, size_t end)
{
    if (search->run_end != first || search->run_first == search->run_end)
        search->run_first = first;
    search->run_end = end;
    return search_claim(search);
}

static size_t search_child(struct search *search, size_t child)
{
    size_t base = child << CHILD_SHIFT;
    unsigned available = child_free(atomic_load_relaxed(&search->allocator->children[child]));
    if (available == 0)
        return NO_FRAME;
    if (available == CHILD_FRAMES)
        return search_add(search, base, base + CHILD_FRAMES);
    struct bitmap bits = child_bits_copy(&search->allocator->bits[child]);
    struct bitmap_run run = bitmap_next_clear_run(&bits, 0);
    while (run.length != 0) {
        size_t found = search_add(search, base + run.first, base + run.first + run.length);
        if (found != NO_FRAME)
            return found;
        run = bitmap_next_clear_run(&bits, run.first + run.length);
    }
    return NO_FRAME;
}

/* Searches from `child` on, up to the limit; makes further trees ready as it reaches them. */
static size_t search_from(struct search *search, size_t child)
{
    struct frame_allocator *allocator = search->allocator;
    search->run_first = search->run_end = 0;
    for (; child << CHILD_SHIFT < search->limit; child++) {
        while (child >= atomic_load_acquire(&allocator->frontier) * QUARRY_TREE_CHILDREN)
            if (!frame_frontier_advance(allocator))
                return NO_FRAME;
        size_t found = search_child(search, child);
        if (found != NO_FRAME)
            return found;
    }
    return NO_FRAME;
}

size_t frame_allocator_alloc_range(struct frame_allocator *allocator, size_t count, size_t align,
                                   size_t limit)
{
    struct search search = {
        .allocator = allocator,
        .count = count,
        .align = align,
        .limit = limit != 0 ? limit : allocator->child_count << CHILD_SHIFT,
    };
    if (fault_here(FAULT_RANGE) || count == 0 || count > allocator->child_count << CHILD_SHIFT)
        return NO_FRAME;
    irq_state irq = spinlock_acquire(&allocator->search_lock);
    size_t found = NO_FRAME;
    if (limit == 0)
        found = search_from(&search, QUARRY_TREE_CHILDREN); /* the first tree is used last */
    if (found == NO_FRAME)
        found = search_from(&search, 0);
    spinlock_release(&allocator->search_lock, irq);
    return found;
}

/* ---- remnants ---- */

static struct frame_range claim_longest(struct frame_allocator *allocator, size_t child,
                                        size_t count)
{
    struct frame_range none = {NO_FRAME, NO_FRAME};
    unsigned available = child_free(atomic_load_relaxed(&allocator->children[child]));
    if (available < count)
        return none;
    struct bitmap bits = child_bits_copy(&allocator->bits[child]);
    struct bitmap_run run = bitmap_longest_clear_run(&bits);
    size_t first = (child << CHILD_SHIFT) + run.first;
    if (run.length < count || !claim_piece(allocator, first, run.length))
        return none;
    return (struct frame_range){first, first + run.length};
}

struct frame_range frame_allocator_alloc_remnant(struct frame_allocator *allocator, size_t count)
{
    struct frame_range found = {NO_FRAME, NO_FRAME};
    if (fault_here(FAULT_REMNANT))
        return found;
    irq_state irq = spinlock_acquire(&allocator->search_lock);
    size_t child = atomic_load_acquire(&allocator->frontier) * QUARRY_TREE_CHILDREN;
    while (found.first == NO_FRAME && child-- > 0)
        found = claim_longest(allocator, child, count);
    spinlock_release(&allocator->search_lock, irq);
    return found;
}
