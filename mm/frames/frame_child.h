/* SPDX-License-Identifier: MIT */
/*
 * A child: 2 MiB of physical memory, 512 frames, described in 66 bytes.
 *
 *   entry   16 bits: how many frames are free, and two flags
 *   bits    512 bits, one cache line: a set bit is a frame that is allocated, or not ours
 *
 * An allocation first takes its number of frames off the entry, then sets bits. A free first clears
 * the bits, then adds the number. So at each moment
 *
 *     clear bits >= entry's free count + claims that still search for their bits
 *
 * and a claim of one frame always finds a clear bit. (A claim of more needs neighbouring bits,
 * which may not exist; then the number is given back.) A huge frame is taken on the entry alone:
 * free 512 -> 0 with HUGE set, and the bits stay clear.
 *
 * All operations are lock-free: each is one or more compare-and-swaps on one word, and a failed one
 * means that another CPU succeeded. No CPU waits for another; an NMI handler may come between.
 *
 * The scheme is LLFree's lower half (Wrenger et al., USENIX ATC 2023).
 */
#ifndef MM_FRAMES_FRAME_CHILD_H
#define MM_FRAMES_FRAME_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bitmap.h"
#include "lib/bits.h"
#include "mm/frames/frame.h"

/* The entry's fields. HOLES: some frames are not ours. */
#define CHILD_FREE_MASK 0x03ffu
#define CHILD_HUGE 0x0400u
#define CHILD_HOLES 0x0800u

_Static_assert(CHILD_FRAMES <= CHILD_FREE_MASK, "a child's free count fits its field");
_Static_assert(BITMAP_BITS == CHILD_FRAMES, "a child has a bitmap");

typedef uint16_t child_entry;

/* How many frames of [first, end) lie in the child of `first`. A run of frames is handled child by
 * child, for each child has a counter and a bitmap of its own. */
static inline size_t frames_in_child(size_t first, size_t end)
{
    return min_u64(end, round_up(first + 1, CHILD_FRAMES)) - first;
}

static inline unsigned child_free(child_entry entry)
{
    return entry & CHILD_FREE_MASK;
}

/* Takes `frames` (1 to 511) off the entry's count. False: fewer are free. */
bool child_take(child_entry *entry, unsigned frames);

/* The opposite; the bits are clear already. */
void child_give(child_entry *entry, unsigned frames);

/* Takes the whole child as a huge frame, or gives it back. False: not all is free; not a huge
 * frame. */
bool child_take_huge(child_entry *entry);
bool child_give_huge(child_entry *entry);

/*
 * A huge frame becomes 512 single frames, all allocated: from now on its bits count. The caller
 * owns the whole child, so no other CPU writes the bits: the entry shows no free frame before and
 * after.
 */
void child_split_huge(child_entry *entry, struct bitmap *bits);

/*
 * Sets 2^order neighbouring clear bits (order 0 to 8) at a multiple of 2^order; returns the first,
 * or CHILD_FRAMES if there is no such run.
 */
unsigned child_bits_take(struct bitmap *bits, unsigned order);

/* Sets [first, first + count). False: one of them was set, and nothing is changed. */
bool child_bits_take_exact(struct bitmap *bits, unsigned first, unsigned count);

/* Clears [first, first + count). Returns the first of them that was clear before, CHILD_FRAMES if
 * all were set. */
unsigned child_bits_give(struct bitmap *bits, unsigned first, unsigned count);

/* A copy of bits that other CPUs may change meanwhile: a hint. */
struct bitmap child_bits_copy(const struct bitmap *bits);

#endif
