/* SPDX-License-Identifier: MIT */
/* Orders 0 to 9: reservations and trees; see frame_allocator.h. */
#include "mm/frames/frame_allocator.h"

#include "lib/atomic.h"
#include "lib/check.h"
#include "lib/fault.h"

/* ---- reservations ---- */

static uint64_t reservation_word(size_t tree, size_t frames)
{
    return RESERVATION_PRESENT | (uint64_t)tree << 32 | frames;
}

static size_t reservation_tree(uint64_t word)
{
    return (word & ~RESERVATION_PRESENT) >> 32;
}

static size_t reservation_free(uint64_t word)
{
    return (uint32_t)word;
}

static bool reservation_is_of(uint64_t word, size_t tree)
{
    return (word & RESERVATION_PRESENT) && reservation_tree(word) == tree;
}

struct frame_reserved frame_reservation_read(const struct frame_allocator *allocator,
                                             unsigned index)
{
    uint64_t word = atomic_load_relaxed(&allocator->reservations[index].word);
    return (struct frame_reserved){
        .present = word & RESERVATION_PRESENT,
        .tree = reservation_tree(word),
        .frames = reservation_free(word),
    };
}

/* Takes frames off the reservation and returns its tree in `tree`. False: fewer are reserved. */
static bool reservation_take(struct frame_reservation *reservation, size_t frames, size_t *tree)
{
    uint64_t old = atomic_load_relaxed(&reservation->word);
    do {
        if (reservation_free(old) < frames)
            return false;
    } while (!atomic_compare_swap(&reservation->word, &old, old - frames));
    *tree = reservation_tree(old);
    return true;
}

/* Adds frames of the tree. False: the reservation is of another tree, or of none. */
static bool reservation_give(struct frame_reservation *reservation, size_t tree, size_t frames)
{
    uint64_t old = atomic_load_relaxed(&reservation->word);
    do {
        if (!reservation_is_of(old, tree))
            return false;
    } while (!atomic_compare_swap(&reservation->word, &old, old + frames));
    return true;
}

static void give_back(struct frame_allocator *allocator, struct frame_reservation *reservation,
                      size_t tree, size_t frames)
{
    if (!reservation_give(reservation, tree, frames))
        frame_tree_give(allocator, tree, frames);
}

/* The reservation gets a new word. Its old tree gets the free frames back and is not reserved any
 * more. moves_lock is held. */
static void reservation_replace(struct frame_allocator *allocator,
                                struct frame_reservation *reservation, uint64_t word)
{
    uint64_t old = atomic_exchange(&reservation->word, word);
    if (!(old & RESERVATION_PRESENT))
        return;
    uint32_t *entry = &allocator->trees[reservation_tree(old)];
    uint32_t seen = atomic_load_relaxed(entry);
    uint32_t opened;
    do {
        opened = (seen & TREE_FREE_MASK) + (uint32_t)reservation_free(old);
    } while (!atomic_compare_swap(entry, &seen, opened));
}

/* ---- trees ---- */

/* Takes all frames off a tree with these flags, if they are at least `at_least`; returns how
 * many. */
static size_t tree_take_all(uint32_t *entry, uint32_t flags, uint32_t new_flags, size_t at_least)
{
    uint32_t old = atomic_load_relaxed(entry);
    do {
        if ((old & ~TREE_FREE_MASK) != flags || (old & TREE_FREE_MASK) < at_least)
            return 0;
    } while (!atomic_compare_swap(entry, &old, new_flags));
    return old & TREE_FREE_MASK;
}

static bool tree_take_some(uint32_t *entry, size_t frames)
{
    uint32_t old = atomic_load_relaxed(entry);
    do {
        if ((old & TREE_FREE_MASK) < frames)
            return false;
    } while (!atomic_compare_swap(entry, &old, old - (uint32_t)frames));
    return true;
}

void frame_tree_give(struct frame_allocator *allocator, size_t tree, size_t frames)
{
    atomic_fetch_add(&allocator->trees[tree], (uint32_t)frames);
}

/* Moves what CPUs have reserved of this tree to the tree's entry, where all CPUs see it. moves_lock
 * is held. */
static void tree_recall(struct frame_allocator *allocator, size_t tree)
{
    for (unsigned i = 0; i < frame_reservation_count(allocator); i++) {
        uint64_t *word = &allocator->reservations[i].word;
        uint64_t old = atomic_load_relaxed(word);
        while (reservation_is_of(old, tree) && reservation_free(old) > 0) {
            if (atomic_compare_swap(word, &old, reservation_word(tree, 0))) {
                frame_tree_give(allocator, tree, reservation_free(old));
                break;
            }
        }
    }
}

/* moves_lock is held. */
static bool tree_take_recalling(struct frame_allocator *allocator, size_t tree, size_t frames)
{
    uint32_t *entry = &allocator->trees[tree];
    if (tree_take_some(entry, frames))
        return true;
    if (!(atomic_load_relaxed(entry) & TREE_RESERVED))
        return false;
    tree_recall(allocator, tree);
    return tree_take_some(entry, frames);
}

bool frame_tree_take(struct frame_allocator *allocator, size_t tree, size_t frames)
{
    if (tree_take_some(&allocator->trees[tree], frames))
        return true;
    irq_state irq = spinlock_acquire(&allocator->moves_lock);
    bool taken = tree_take_recalling(allocator, tree, frames);
    spinlock_release(&allocator->moves_lock, irq);
    return taken;
}

/* ---- children ---- */

/* Claims frames in one child. NO_FRAME: too few are free, or no aligned run is. */
static size_t claim_in_child(struct frame_allocator *allocator, size_t child, unsigned order)
{
    child_entry *entry = &allocator->children[child];
    if (order == CHILD_SHIFT)
        return child_take_huge(entry) ? child << CHILD_SHIFT : NO_FRAME;
    if (!child_take(entry, 1u << order))
        return NO_FRAME;
    unsigned index = child_bits_take(&allocator->bits[child], order);
    if (index < CHILD_FRAMES)
        return (child << CHILD_SHIFT) + index;
    child_give(entry, 1u << order);
    return NO_FRAME;
}

/* Searches all children of a tree from `hint` on: either the broken or the whole ones. */
static size_t claim_in_children(struct frame_allocator *allocator, size_t tree, size_t hint,
                                unsigned order, bool whole)
{
    for (size_t i = 0; i < QUARRY_TREE_CHILDREN; i++) {
        size_t child = tree * QUARRY_TREE_CHILDREN + (hint + i) % QUARRY_TREE_CHILDREN;
        unsigned available = child_free(atomic_load_relaxed(&allocator->children[child]));
        if (available < 1u << order || (available == CHILD_FRAMES) != whole)
            continue;
        size_t frame = claim_in_child(allocator, child, order);
        if (frame != NO_FRAME)
            return frame;
    }
    return NO_FRAME;
}

/*
 * Rounds of a search for one frame whose number was taken off the tree. The frame exists, but
 * another CPU that claims a larger order and undoes the claim may free it behind the search. Each
 * failed round needs one more such undo at the right moment, so a few rounds suffice in practice;
 * the limit keeps the search finite. After it the caller gives the number back and searches the
 * other trees.
 */
#define CLAIM_ROUNDS_MAX 64u

/* Claims frames whose number was taken off `tree`. NO_FRAME: there is no aligned run. */
static size_t claim_in_tree(struct frame_allocator *allocator, size_t tree, size_t hint,
                            unsigned order)
{
    unsigned rounds = order == 0 ? CLAIM_ROUNDS_MAX : 1;
    for (unsigned round = 0; round < rounds; round++) {
        size_t frame = NO_FRAME;
        if (order < CHILD_SHIFT)
            frame = claim_in_children(allocator, tree, hint, order, false);
        if (frame == NO_FRAME)
            frame = claim_in_children(allocator, tree, hint, order, true);
        if (frame != NO_FRAME)
            return frame;
    }
    return NO_FRAME;
}

/* ---- allocation, from the nearest place to the farthest ---- */

static size_t alloc_reserved(struct frame_allocator *allocator,
                             struct frame_reservation *reservation, unsigned order)
{
    size_t tree;
    if (!reservation_take(reservation, (size_t)1 << order, &tree))
        return NO_FRAME;
    /* First the child of the last frame: no search, and no further child is broken. */
    uint32_t hint = atomic_load_relaxed(&reservation->hint);
    size_t frame = claim_in_child(allocator, tree * QUARRY_TREE_CHILDREN + hint, order);
    if (likely(frame != NO_FRAME))
        return frame;
    frame = claim_in_tree(allocator, tree, hint, order);
    if (unlikely(frame == NO_FRAME)) {
        give_back(allocator, reservation, tree, (size_t)1 << order);
        return NO_FRAME;
    }
    atomic_store_relaxed(&reservation->hint,
                         (uint32_t)(frame >> CHILD_SHIFT) % QUARRY_TREE_CHILDREN);
    return frame;
}

/* Moves frames that were freed to the CPU's own tree into its reservation. */
static size_t alloc_refetched(struct frame_allocator *allocator,
                              struct frame_reservation *reservation, unsigned order)
{
    uint64_t word = atomic_load_relaxed(&reservation->word);
    if (!(word & RESERVATION_PRESENT))
        return NO_FRAME;
    size_t tree = reservation_tree(word);
    irq_state irq = spinlock_acquire(&allocator->moves_lock);
    size_t fetched = tree_take_all(&allocator->trees[tree], TREE_RESERVED, TREE_RESERVED, 1);
    if (fetched > 0)
        give_back(allocator, reservation, tree, fetched);
    spinlock_release(&allocator->moves_lock, irq);
    return fetched > 0 ? alloc_reserved(allocator, reservation, order) : NO_FRAME;
}

/* Reserves this tree, if it is not reserved and has enough free frames. */
static size_t alloc_reserving(struct frame_allocator *allocator,
                              struct frame_reservation *reservation, unsigned order, size_t tree)
{
    irq_state irq = spinlock_acquire(&allocator->moves_lock);
    size_t taken = tree_take_all(&allocator->trees[tree], 0, TREE_RESERVED, (size_t)1 << order);
    if (taken > 0)
        reservation_replace(allocator, reservation, reservation_word(tree, taken));
    spinlock_release(&allocator->moves_lock, irq);
    return taken > 0 ? alloc_reserved(allocator, reservation, order) : NO_FRAME;
}

/* Any ready tree but the first: those with many free frames first, then those with enough. */
static size_t alloc_other_tree(struct frame_allocator *allocator,
                               struct frame_reservation *reservation, unsigned order)
{
    size_t ready = atomic_load_acquire(&allocator->frontier);
    for (unsigned worth = 2; worth-- > 0;) {
        for (size_t tree = 1; tree < ready; tree++) {
            uint32_t entry = atomic_load_relaxed(&allocator->trees[tree]);
            if (((entry & TREE_FREE_MASK) >= TREE_WORTH_RESERVING) != worth)
                continue;
            size_t frame = alloc_reserving(allocator, reservation, order, tree);
            if (frame != NO_FRAME)
                return frame;
        }
    }
    return NO_FRAME;
}

static size_t alloc_beyond_frontier(struct frame_allocator *allocator,
                                    struct frame_reservation *reservation, unsigned order)
{
    while (frame_frontier_advance(allocator)) {
        size_t tree = atomic_load_acquire(&allocator->frontier) - 1;
        if (tree == 0)
            continue;
        size_t frame = alloc_reserving(allocator, reservation, order, tree);
        if (frame != NO_FRAME)
            return frame;
    }
    return NO_FRAME;
}

/*
 * Takes from any tree without reserving it, the first tree last. moves_lock is held, so each free
 * frame is counted in a tree or in a reservation, and this search sees all of them.
 */
static size_t search_all_trees(struct frame_allocator *allocator, unsigned order)
{
    for (size_t tree = atomic_load_acquire(&allocator->frontier); tree-- > 0;) {
        if (!tree_take_recalling(allocator, tree, (size_t)1 << order))
            continue;
        size_t frame = claim_in_tree(allocator, tree, 0, order);
        if (frame != NO_FRAME)
            return frame;
        frame_tree_give(allocator, tree, (size_t)1 << order);
    }
    return NO_FRAME;
}

static size_t alloc_anywhere(struct frame_allocator *allocator, unsigned order)
{
    irq_state irq = spinlock_acquire(&allocator->moves_lock);
    size_t frame = search_all_trees(allocator, order);
    spinlock_release(&allocator->moves_lock, irq);
    return frame;
}

static __attribute__((__noinline__)) size_t alloc_slow(struct frame_allocator *allocator,
                                                       struct frame_reservation *reservation,
                                                       unsigned order)
{
    size_t frame = alloc_refetched(allocator, reservation, order);
    if (frame == NO_FRAME)
        frame = alloc_other_tree(allocator, reservation, order);
    if (frame == NO_FRAME)
        frame = alloc_beyond_frontier(allocator, reservation, order);
    if (frame == NO_FRAME && atomic_load_acquire(&allocator->frontier) > 0)
        frame = alloc_reserving(allocator, reservation, order, 0);
    if (frame == NO_FRAME)
        frame = alloc_anywhere(allocator, order);
    return frame;
}

static struct frame_reservation *reservation_of(struct frame_allocator *allocator, unsigned cpu,
                                                unsigned order)
{
    return &allocator->reservations[cpu * RESERVATIONS_PER_CPU + (order == CHILD_SHIFT)];
}

size_t frame_allocator_alloc(struct frame_allocator *allocator, unsigned cpu, unsigned order)
{
    if (fault_here(FAULT_FRAME))
        return NO_FRAME;
    struct frame_reservation *reservation = reservation_of(allocator, cpu, order);
    size_t frame = alloc_reserved(allocator, reservation, order);
    return likely(frame != NO_FRAME) ? frame : alloc_slow(allocator, reservation, order);
}

/* ---- giving back ---- */

static void check_owned(const struct frame_allocator *allocator, size_t first, size_t count)
{
    size_t tree = first / TREE_FRAMES;
    bool owned = first != NO_FRAME && tree < atomic_load_acquire(&allocator->frontier);
    if (owned) {
        child_entry entry = atomic_load_relaxed(&allocator->children[first >> CHILD_SHIFT]);
        owned = !(entry & CHILD_HOLES) || memory_map_owns(allocator->map, first, first + count);
    }
    CHECK(owned, "quarry: bad free of %zu frames at %#zx: not Quarry's memory", count,
          first << FRAME_SHIFT);
}

/* Part of a child, not handed out as a huge frame. */
static void free_in_child(struct frame_allocator *allocator, size_t first, size_t count)
{
    size_t child = first >> CHILD_SHIFT;
    child_entry entry = atomic_load_relaxed(&allocator->children[child]);
    CHECK(!(entry & CHILD_HUGE),
          "quarry: bad free of %zu frames at %#zx: part of the huge frame at %#zx", count,
          first << FRAME_SHIFT, child << (CHILD_SHIFT + FRAME_SHIFT));
    unsigned wrong =
        child_bits_give(&allocator->bits[child], first % CHILD_FRAMES, (unsigned)count);
    CHECK(wrong == CHILD_FRAMES,
          "quarry: double free of %zu frames at %#zx: the frame at %#zx is free already", count,
          first << FRAME_SHIFT, ((child << CHILD_SHIFT) + wrong) << FRAME_SHIFT);
    child_give(&allocator->children[child], (unsigned)count);
}

static void free_huge(struct frame_allocator *allocator, size_t first)
{
    bool was_huge = child_give_huge(&allocator->children[first >> CHILD_SHIFT]);
    CHECK(was_huge, "quarry: bad free of the huge frame at %#zx: it is not allocated as one",
          first << FRAME_SHIFT);
}

void frame_allocator_free(struct frame_allocator *allocator, unsigned cpu, size_t frame,
                          unsigned order)
{
    size_t count = (size_t)1 << order;
    CHECK(frame % count == 0, "quarry: bad free of %zu frames at %#zx: not aligned to their size",
          count, frame << FRAME_SHIFT);
    check_owned(allocator, frame, count);
    if (order == CHILD_SHIFT)
        free_huge(allocator, frame);
    else
        free_in_child(allocator, frame, count);
    give_back(allocator, reservation_of(allocator, cpu, order), frame / TREE_FRAMES, count);
}

void frame_free_in_child(struct frame_allocator *allocator, unsigned cpu, size_t first,
                         size_t count)
{
    check_owned(allocator, first, count);
    child_entry entry = atomic_load_relaxed(&allocator->children[first >> CHILD_SHIFT]);
    if ((entry & CHILD_HUGE) && count == CHILD_FRAMES)
        free_huge(allocator, first);
    else
        free_in_child(allocator, first, count);
    unsigned order = count == CHILD_FRAMES ? CHILD_SHIFT : 0;
    give_back(allocator, reservation_of(allocator, cpu, order), first / TREE_FRAMES, count);
}

void frame_allocator_drain(struct frame_allocator *allocator)
{
    irq_state irq = spinlock_acquire(&allocator->moves_lock);
    for (unsigned i = 0; i < frame_reservation_count(allocator); i++) {
        reservation_replace(allocator, &allocator->reservations[i], 0);
        atomic_store_relaxed(&allocator->reservations[i].hint, 0);
    }
    spinlock_release(&allocator->moves_lock, irq);
}
