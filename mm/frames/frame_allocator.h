/* SPDX-License-Identifier: MIT */
/*
 * The frame allocator: it owns all physical memory of a node.
 *
 * What. 2^order frames for orders 0 to 9 without a lock, and runs of any length, alignment and
 * upper bound by a search. A frame is only a number here: the memory itself is never touched. So an
 * allocator can be built over memory that does not exist, and tests do that.
 *
 * How. Three layers of counters over one layer of bits (frame_child.h):
 *
 *     CPU's reservation   a tree's number and how many of its frames this CPU may take
 *            |            (a 64-bit word per CPU, on a cache line of its own)
 *     trees               64 MiB each: free frames that are not in a reservation
 *            |
 *     children            2 MiB each: free frames; or allocated as a huge frame
 *            |
 *     bits                4 KiB each: set if allocated
 *
 * An allocation goes down: it takes a number off the reservation, off a child of that tree, then it
 * sets bits. A free goes up: bits, child, tree. So each layer promises no more than the one below
 * has:
 *
 *     tree.free + its reservation's free <= sum of its children's free <= clear bits
 *
 * with equality at rest. A CPU stays in its reserved trees, so CPUs do not share the cache lines of
 * children and bits. When a reservation is empty, the CPU first fetches what other CPUs freed to
 * that tree, then reserves another tree, then takes from any tree, other CPUs' reservations
 * included. So no request fails while there are enough free frames.
 *
 * Against fragmentation. Each CPU has two reservations, one for huge frames and one for all smaller
 * orders, so that small frames do not break up the tree of the huge ones. Small orders prefer
 * children that are broken already. Trees are taken in the order of their addresses. The first tree
 * (the low 64 MiB, which old devices need) is used last.
 *
 * Lazy start. Tables are not cleared at the start: trees are built one by one, in order, when those
 * before do not suffice. `frontier` trees are ready. So a terabyte starts as fast as a gigabyte.
 *
 * Locks. None for orders 0 to 9 while the CPU's reservations last, and none to free. Frames that
 * move between a tree and a reservation are counted in neither for a moment; moves_lock keeps other
 * CPUs from failing a request then. Before the allocator fails a request, it searches all trees
 * under this lock. (A failure may still be due to frames that another CPU has claimed for a larger
 * order and is about to free, because they are not contiguous.) The frontier moves under
 * frontier_lock. The search for other runs takes search_lock, so that two searches do not break up
 * each other's runs. It claims what it finds like any allocation, and undoes the claim if it lost a
 * race.
 *
 * Source: LLFree (Wrenger et al., USENIX ATC 2023). Not from there: the search, the bounds, the
 * lazy frontier, and the undo of claims that span several words, which frees exactly what was
 * claimed.
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
 * A CPU's reservation. Any CPU may change `word`, by compare-and-swap; `hint` is the child in which
 * the last frame was found, and may be wrong.
 */
struct frame_reservation {
    uint64_t word; /* RESERVATION_PRESENT | tree << 32 | free */
    uint32_t hint;
} __attribute__((__aligned__(64)));

#define RESERVATION_PRESENT ((uint64_t)1 << 63)

/* One for orders below 9, one for huge frames. */
#define RESERVATIONS_PER_CPU 2u

/* A tree with fewer free frames than this is reserved only if no other has what is wanted: it would
 * soon be empty, and reserving is the dearest part of an allocation. */
#define TREE_WORTH_RESERVING (TREE_FRAMES / 16)

struct frame_allocator {
    const struct memory_map *map;
    child_entry *children;                  /* child_count; valid for ready trees */
    struct bitmap *bits;                    /* child_count; valid for ready trees */
    uint32_t *trees;                        /* tree_count; valid for ready trees */
    struct frame_reservation *reservations; /* RESERVATIONS_PER_CPU for each CPU */
    size_t child_count;                     /* a multiple of QUARRY_TREE_CHILDREN */
    size_t tree_count;
    unsigned cpus;

    bool (*memory_needed)(size_t first, size_t count); /* NULL: memory is always usable */
    size_t frontier;       /* trees [0, frontier) are ready; grows under frontier_lock */
    size_t pending_frames; /* usable frames of the other trees; frontier_lock */
    size_t total_frames;   /* usable frames; frontier_lock */
    struct spinlock frontier_lock;
    struct spinlock search_lock;
    struct spinlock moves_lock;
};

/* Bytes of boot memory that frame_allocator_init() takes at most. */
size_t frame_allocator_boot_bytes(size_t end_frame, unsigned cpus);

/*
 * `map` must stay valid. `boot` must be closed before the first allocation. `end_frame` is one more
 * than the highest frame that the map ever has: while boot memory is open, the map may end lower.
 */
void frame_allocator_init(struct frame_allocator *allocator, const struct memory_map *map,
                          size_t end_frame, struct boot_memory *boot, unsigned cpus);

/* Counts the usable frames, after boot memory is closed. */
void frame_allocator_open(struct frame_allocator *allocator);

/* 2^order frames (order 0 to 9); NO_FRAME when there are none. `cpu` chooses the reservation. */
size_t frame_allocator_alloc(struct frame_allocator *allocator, unsigned cpu, unsigned order);

/* Frees 2^order frames (order 0 to 9); stops on misuse that it sees. */
void frame_allocator_free(struct frame_allocator *allocator, unsigned cpu, size_t frame,
                          unsigned order);

/* `count` frames at a multiple of `align`, ending at or below `limit` (0: anywhere). */
size_t frame_allocator_alloc_range(struct frame_allocator *allocator, size_t count, size_t align,
                                   size_t limit);

/* Frees a range, or any part of one; stops on misuse that it sees. */
void frame_allocator_free_range(struct frame_allocator *allocator, unsigned cpu, size_t first,
                                size_t count);

/*
 * A huge frame (order 9) becomes 512 single ones, which are freed by frame_allocator_free_range(),
 * in any parts and on any CPU. The caller owns all of it. Ignored if it is split already.
 */
void frame_allocator_split(struct frame_allocator *allocator, size_t first);

/* Allocates exactly [first, first + count). False: not all of it is free, and nothing is
 * changed. */
bool frame_allocator_claim(struct frame_allocator *allocator, size_t first, size_t count);

/* Allocates the longest free run of some child that has a run of `count` (1 to 512). */
struct frame_range frame_allocator_alloc_remnant(struct frame_allocator *allocator, size_t count);

/* Makes the reclaimable memory usable; returns its frames. */
size_t frame_allocator_reclaim(struct frame_allocator *allocator, struct memory_map *map);

/* Ends all reservations, so that the allocator's state depends only on what is allocated. */
void frame_allocator_drain(struct frame_allocator *allocator);

size_t frame_allocator_free_count(const struct frame_allocator *allocator);

/* Compares all layers; stops where they disagree. No other CPU may be inside. */
void frame_allocator_verify(const struct frame_allocator *allocator);

/* ---- between the files of the frame allocator ---- */

/* What a reservation says. */
struct frame_reserved {
    bool present; /* false: no tree is reserved */
    size_t tree;
    size_t frames; /* free ones that the CPU may take */
};

struct frame_reserved frame_reservation_read(const struct frame_allocator *allocator,
                                             unsigned index);

static inline unsigned frame_reservation_count(const struct frame_allocator *allocator)
{
    return allocator->cpus * RESERVATIONS_PER_CPU;
}

/* Takes from a tree's entry, or from the reservation of the tree. False: fewer are free. */
bool frame_tree_take(struct frame_allocator *allocator, size_t tree, size_t frames);
void frame_tree_give(struct frame_allocator *allocator, size_t tree, size_t frames);

/* Frees frames of one child: all of them as a huge frame, if it is one, else a part. */
void frame_free_in_child(struct frame_allocator *allocator, unsigned cpu, size_t first,
                         size_t count);

/* Makes the next tree with memory ready; false when there is none. */
bool frame_frontier_advance(struct frame_allocator *allocator);

#endif
