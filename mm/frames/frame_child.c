/* SPDX-License-Identifier: MIT */
/* The child's two halves, entry and bits; see frame_child.h. */
#include "mm/frames/frame_child.h"

#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/fault.h"

/* ---- the entry ---- */

bool child_take(child_entry *entry, unsigned frames)
{
    child_entry old = atomic_load_relaxed(entry);
    do {
        if (child_free(old) < frames)
            return false; /* a huge frame that is handed out has none free */
    } while (!atomic_compare_swap(entry, &old, (child_entry)(old - frames)));
    return true;
}

void child_give(child_entry *entry, unsigned frames)
{
    atomic_fetch_add(entry, (child_entry)frames);
}

bool child_take_huge(child_entry *entry)
{
    child_entry whole = (child_entry)CHILD_FRAMES;
    return atomic_compare_swap(entry, &whole, (child_entry)CHILD_HUGE);
}

bool child_give_huge(child_entry *entry)
{
    child_entry huge = (child_entry)CHILD_HUGE;
    return atomic_compare_swap(entry, &huge, (child_entry)CHILD_FRAMES);
}

void child_split_huge(child_entry *entry, struct bitmap *bits)
{
    for (unsigned i = 0; i < BITMAP_WORDS; i++)
        atomic_store_relaxed(&bits->word[i], ~(uint64_t)0);
    atomic_fetch_and(entry, (child_entry)~CHILD_HUGE);
}

/* ---- the bits ---- */

/* Sets `mask` in a word where all of it is clear; false where some is set. */
static bool word_take(uint64_t *word, uint64_t mask)
{
    uint64_t old = atomic_load_relaxed(word);
    do {
        if (old & mask)
            return false;
    } while (!atomic_compare_swap(word, &old, old | mask));
    return true;
}

/* The positions in `free_bits` at which 2^order set bits begin, at multiples of 2^order. */
static uint64_t aligned_runs(uint64_t free_bits, unsigned order)
{
    static const uint64_t aligned[] = {
        0xffffffffffffffffu, 0x5555555555555555u, 0x1111111111111111u, 0x0101010101010101u,
        0x0001000100010001u, 0x0000000100000001u, 0x0000000000000001u,
    };
    for (unsigned step = 0; step < order; step++)
        free_bits &= free_bits >> (1u << step);
    return free_bits & aligned[order];
}

/* Orders 0 to 6: inside one word. */
static unsigned take_in_word(struct bitmap *bits, unsigned order)
{
    for (unsigned index = 0; index < BITMAP_WORDS; index++) {
        uint64_t *word = &bits->word[index];
        uint64_t old = atomic_load_relaxed(word);
        uint64_t runs;
        while ((runs = aligned_runs(~old, order)) != 0) {
            unsigned bit = bits_lowest(runs);
            uint64_t mask = bits_mask(1u << order) << bit;
            if (atomic_compare_swap(word, &old, old | mask))
                return index * WORD_BITS + bit;
        }
    }
    return (unsigned)CHILD_FRAMES;
}

/* Orders 7 and 8: two or four words. */
static unsigned take_words(struct bitmap *bits, unsigned order)
{
    unsigned count = 1u << order;
    for (unsigned first = 0; first < CHILD_FRAMES; first += count)
        if (child_bits_take_exact(bits, first, count))
            return first;
    return (unsigned)CHILD_FRAMES;
}

unsigned child_bits_take(struct bitmap *bits, unsigned order)
{
    return (1u << order) <= WORD_BITS ? take_in_word(bits, order) : take_words(bits, order);
}

/* The part of [first, end) that lies in the word of `first`. */
static unsigned piece_in_word(unsigned first, unsigned end)
{
    unsigned room = WORD_BITS - first % WORD_BITS;
    return end - first < room ? end - first : room;
}

static uint64_t piece_mask(unsigned first, unsigned length)
{
    return bits_mask(length) << (first % WORD_BITS);
}

bool child_bits_take_exact(struct bitmap *bits, unsigned first, unsigned count)
{
    unsigned end = first + count;
    for (unsigned at = first; at < end;) {
        unsigned piece = piece_in_word(at, end);
        if (fault_here(FAULT_CLAIM_WORD) ||
            !word_take(&bits->word[at / WORD_BITS], piece_mask(at, piece))) {
            /* Undo exactly what this call has set: everything before `at`. */
            child_bits_give(bits, first, at - first);
            return false;
        }
        at += piece;
    }
    return true;
}

unsigned child_bits_give(struct bitmap *bits, unsigned first, unsigned count)
{
    unsigned end = first + count;
    unsigned wrong = (unsigned)CHILD_FRAMES;
    for (unsigned at = first; at < end;) {
        unsigned piece = piece_in_word(at, end);
        uint64_t mask = piece_mask(at, piece);
        uint64_t was_clear = ~atomic_fetch_and(&bits->word[at / WORD_BITS], ~mask) & mask;
        if (was_clear != 0 && wrong == CHILD_FRAMES)
            wrong = at / WORD_BITS * WORD_BITS + bits_lowest(was_clear);
        at += piece;
    }
    return wrong;
}

struct bitmap child_bits_copy(const struct bitmap *bits)
{
    struct bitmap copy;
    for (unsigned index = 0; index < BITMAP_WORDS; index++)
        copy.word[index] = atomic_load_relaxed(&bits->word[index]);
    return copy;
}
