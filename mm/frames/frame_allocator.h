/* SPDX-License-Identifier: MIT */
/*
 * The frame allocator: owner of all physical memory.
 *
 * What. 2^order frames for orders 0 to 9 without a lock, and runs of any length, alignment and
 * upper bound by a search. A frame is only a number here: the memory itself is never touched, so
 * an allocator can be built over memory that is not there, and is, in tests.
 *
 * How. Three layers of counters over one layer of bits (frame_child.h):
 *
 *     CPU's reservation   a tree's number and how many of its frames this CPU may take
 *            |            (a 64-bit word per CPU, on a cache line of its own)
 *     trees               64 MiB each: frames free to be claimed, not counting a reservation's
 *            |
 *     children            2 MiB each: frames free to be claimed; or handed out as a huge frame
 *            |
 *     bits                4 KiB each: taken or not
 *
 * Taking goes down: a number off the reservation, off a child of that tree, then the bits. Giving
 * goes up: bits, child, tree. So each layer promises no more than the one below can keep:
 *
 *     tree.free + its reservation's free <= sum of its children's free <= clear bits
 *
 * with equality at rest. A CPU keeps to its reserved trees, so CPUs do not share the lines of
 * children and bits. When a reservation is empty the CPU first fetches what others gave back to
 * that tree, then reserves another one, then takes from any tree, other CPUs' reservations
 * included: nobody is told that memory is gone while there is some.
 *
 * Against fragmentation: each CPU has two reservations, one for huge frames and one for all
 * smaller orders, so that small frames do not break up the tree that huge ones come from; small
 * orders prefer children that are broken already; trees are taken in the order of their addresses.
 * The first tree (the low 64 MiB, which old devices need) is used last.
 *
 * Lazily. Tables are not even cleared at the start: trees are built one by one, in order, when
 * those before are not enough. `frontier` trees are ready. So a terabyte starts like a gigabyte.
 *
 * Locks. None for orders 0 to 9 while the CPU's reservations last, and none at all to give back.
 * Frames that move between a tree and a reservation are for a moment in neither: moves_lock keeps
 * others from believing then that memory is gone. Before the allocator refuses, it looks through
 * all trees under this lock. (A refusal may still be due to frames that another CPU has claimed
 * for a larger order and is about to give back, because they do not lie together.) The frontier
 * moves under frontier_lock. The search for other runs takes search_lock, so that two searches do
 * not spoil each other's runs; what it finds it claims like everyone else, and undoes where it lost
 * a race.
 *
 * Source: LLFree (Wrenger et al., USENIX ATC 2023). Ours are the search, the bounds, the lazy
 * frontier, and the undo of claims that span several words, which frees exactly what it claimed.
 */
#ifndef MM_FRAMES_FRAME_ALLOCATOR_H
#define MM_FRAMES_FRAME_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/bitmap.h"
#include "lib/spinlock.h"
#include "mm/frames/boot_memory.h"
#include "mm/frames/frame.h"
#include "mm/frames/frame_child.h"
#include "mm/frames/memory_map.h"

/* A tree's entry: the free count, and whether a CPU has reserved it. */
#define TREE_FREE_MASK 0x7fffffffu
#define TREE_RESERVED 0x80000000u

_Static_assert(TREE_FRAMES <= TREE_FREE_MASK, "a tree's free count fits its field");

/*
 * A CPU's reservation. Any CPU may change `word`, by compare-and-swap; `hint` is the child in
 * which the last frame was found, and may be wrong.
 */
struct frame_reservation {
    uint64_t word; /* RESERVATION_PRESENT | tree << 32 | free */
    uint32_t hint;
} __attribute__((__aligned__(64)));

#define RESERVATION_PRESENT ((uint64_t)1 << 63)

static inline uint64_t reservation_word(size_t tree, size_t frames)
{
    return RESERVATION_PRESENT | (uint64_t)tree << 32 | frames;
}

static inline size_t reservation_tree(uint64_t word)
{
    return (word & ~RESERVATION_PRESENT) >> 32;
}

static inline size_t reservation_free(uint64_t word)
{
    return (uint32_t)word;
}

static inline bool reservation_is_of(uint64_t word, size_t tree)
{
    return (word & RESERVATION_PRESENT) && reservation_tree(word) == tree;
}

/* One for orders below 9, one for huge frames. */
#define RESERVATIONS_PER_CPU 2u

/* A tree with fewer free frames than this is reserved only if no other has what is wanted: it
 * would soon be empty, and reserving is the dearest part of an allocation. */
#define TREE_WORTH_RESERVING (TREE_FRAMES / 16)

struct frame_allocator {
    const struct memory_map *map;
    child_entry *children;                  /* child_count, those of ready trees valid */
    struct bitmap *bits;                    /* the same */
    uint32_t *trees;                        /* tree_count, the same */
    struct frame_reservation *reservations; /* RESERVATIONS_PER_CPU for each CPU */
    size_t child_count;                     /* a multiple of QUARRY_TREE_CHILDREN */
    size_t tree_count;
    unsigned cpus;

    size_t frontier;       /* trees [0, frontier) are ready; grows under frontier_lock */
    size_t pending_frames; /* usable frames of the other trees; frontier_lock */
    size_t total_frames;   /* frames that are ours; frontier_lock */
    struct spinlock frontier_lock;
    struct spinlock search_lock;
    struct spinlock moves_lock;
};

/* Bytes of boot memory that frame_allocator_init() takes at most. */
size_t frame_allocator_boot_bytes(size_t end_frame, unsigned cpus);

/* `map` stays in use. `boot` is closed afterwards, before the first allocation. */
void frame_allocator_init(struct frame_allocator *allocator, const struct memory_map *map,
                          struct boot_memory *boot, unsigned cpus);

/* After boot memory is closed: counts what there is. */
void frame_allocator_open(struct frame_allocator *allocator);

/* 2^order frames (order 0 to 9); NO_FRAME when there are none. `cpu` chooses the reservation. */
size_t frame_allocator_alloc(struct frame_allocator *allocator, unsigned cpu, unsigned order);

/* Gives back 2^order frames (order 0 to 9); stops on misuse that it sees. */
void frame_allocator_free(struct frame_allocator *allocator, unsigned cpu, size_t frame,
                          unsigned order);

/* `count` frames at a multiple of `align`, ending at or below `limit` (0: anywhere). */
size_t frame_allocator_alloc_range(struct frame_allocator *allocator, size_t count, size_t align,
                                   size_t limit);

/* Gives back a range, or any part of one; stops on misuse that it sees. */
void frame_allocator_free_range(struct frame_allocator *allocator, unsigned cpu, size_t first,
                                size_t count);

/*
 * A huge frame (order 9) is from now on 512 single ones: it comes back by
 * frame_allocator_free_range(), in any parts, on any CPUs. The caller owns all of it. Nothing
 * happens if it is so already.
 */
void frame_allocator_split(struct frame_allocator *allocator, size_t first);

/* Claims exactly [first, first + count). False, with nothing changed, where it is not free. */
bool frame_allocator_claim(struct frame_allocator *allocator, size_t first, size_t count);

/* The longest free run of some child in which it is at least `count` (1 to 512), claimed. */
struct frame_range frame_allocator_alloc_remnant(struct frame_allocator *allocator, size_t count);

/* The reclaimable memory becomes usable; returns how many frames that is. */
size_t frame_allocator_reclaim(struct frame_allocator *allocator, struct memory_map *map);

/* All reservations end, so that the allocator's state depends only on what is allocated. */
void frame_allocator_drain(struct frame_allocator *allocator);

size_t frame_allocator_free_count(const struct frame_allocator *allocator);

/* Compares all layers; stops where they disagree. At rest only. */
void frame_allocator_verify(const struct frame_allocator *allocator);

/* ---- between the files of the frame allocator ---- */

static inline unsigned frame_reservation_count(const struct frame_allocator *allocator)
{
    return allocator->cpus * RESERVATIONS_PER_CPU;
}

/* Takes from a tree's entry, or from the reservation that has it. False: not so many free. */
bool frame_tree_take(struct frame_allocator *allocator, size_t tree, size_t frames);
void frame_tree_give(struct frame_allocator *allocator, size_t tree, size_t frames);

/* Makes the next tree with memory ready; false when there is none. */
bool frame_frontier_advance(struct frame_allocator *allocator);

#endif
