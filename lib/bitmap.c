/* SPDX-License-Identifier: MIT */
/* Runs in a bitmap of 512 bits; see bitmap.h. */
#include "lib/bitmap.h"

#include "lib/bits.h"

/* Iterates over the words that hold bits of [first, first + count). */
#define for_each_word(index, first, count)                                                         \
    for (unsigned index = (first) / WORD_BITS; index * WORD_BITS < (first) + (count); index++)

/* The bits of [first, first + count) in one of these words. */
static inline uint64_t range_mask(unsigned index, unsigned first, unsigned count)
{
    unsigned low = index * WORD_BITS;
    uint64_t mask = ~(uint64_t)0;
    if (first > low)
        mask <<= first - low;
    if (first + count < low + WORD_BITS)
        mask &= ~(uint64_t)0 >> (low + WORD_BITS - first - count);
    return mask;
}

bool bitmap_test(const struct bitmap *map, unsigned bit)
{
    return (map->word[bit / WORD_BITS] >> (bit % WORD_BITS)) & 1;
}

void bitmap_set(struct bitmap *map, unsigned first, unsigned count)
{
    for_each_word (index, first, count)
        map->word[index] |= range_mask(index, first, count);
}

void bitmap_clear(struct bitmap *map, unsigned first, unsigned count)
{
    for_each_word (index, first, count)
        map->word[index] &= ~range_mask(index, first, count);
}

bool bitmap_all_set(const struct bitmap *map, unsigned first, unsigned count)
{
    for_each_word (index, first, count)
        if (~map->word[index] & range_mask(index, first, count))
            return false;
    return true;
}

bool bitmap_all_clear(const struct bitmap *map, unsigned first, unsigned count)
{
    for_each_word (index, first, count)
        if (map->word[index] & range_mask(index, first, count))
            return false;
    return true;
}

unsigned bitmap_count_set(const struct bitmap *map)
{
    unsigned count = 0;
    for (unsigned index = 0; index < BITMAP_WORDS; index++)
        count += bits_count(map->word[index]);
    return count;
}

/* The first set bit at or after `from`, which is in the map; the first clear bit if `flip` is all
 * ones. */
static unsigned next_bit(const struct bitmap *map, unsigned from, uint64_t flip)
{
    unsigned index = from / WORD_BITS;
    uint64_t word = (map->word[index] ^ flip) & ~(uint64_t)0 << (from % WORD_BITS);
    while (word == 0 && ++index < BITMAP_WORDS)
        word = map->word[index] ^ flip;
    return word != 0 ? index * WORD_BITS + bits_lowest(word) : BITMAP_BITS;
}

struct bitmap_run bitmap_next_clear_run(const struct bitmap *map, unsigned from)
{
    struct bitmap_run run = {.first = BITMAP_BITS};
    if (from < BITMAP_BITS)
        run.first = next_bit(map, from, ~(uint64_t)0);
    if (run.first < BITMAP_BITS)
        run.length = next_bit(map, run.first, 0) - run.first;
    return run;
}

/*
 * Bit b of the result is set where bit b of `runs` and bit b + distance of `further` are set. If
 * `runs` marks the starts of runs of m free bits, `further` those of n, and distance is m, then the
 * result marks the starts of runs of m + n.
 */
static struct bitmap join(const struct bitmap *runs, const struct bitmap *further,
                          unsigned distance)
{
    unsigned words = distance / WORD_BITS;
    unsigned bits = distance % WORD_BITS;
    struct bitmap joined = {{0}};
    for (unsigned index = 0; index + words < BITMAP_WORDS; index++) {
        uint64_t shifted = further->word[index + words] >> bits;
        if (bits != 0 && index + words + 1 < BITMAP_WORDS)
            shifted |= further->word[index + words + 1] << (WORD_BITS - bits);
        joined.word[index] = runs->word[index] & shifted;
    }
    return joined;
}

static bool is_zero(const struct bitmap *map)
{
    uint64_t any = 0;
    for (unsigned index = 0; index < BITMAP_WORDS; index++)
        any |= map->word[index];
    return any == 0;
}

/*
 * Computes where runs of 1, 2, 4 ... free bits begin, until there is none, and then extends the
 * longest by the shorter ones, largest first. At most 18 joins of eight words, whatever the number
 * of runs. The bitmap has at least one clear bit.
 */
static struct bitmap_run longest_by_doubling(const struct bitmap *map)
{
    enum { LEVELS = 10 }; /* runs of 1 to 512 */
    struct bitmap level[LEVELS];
    for (unsigned index = 0; index < BITMAP_WORDS; index++)
        level[0].word[index] = ~map->word[index];
    unsigned top = 0;
    for (; top + 1 < LEVELS; top++) {
        level[top + 1] = join(&level[top], &level[top], 1u << top);
        if (is_zero(&level[top + 1]))
            break;
    }
    struct bitmap begins = level[top];
    unsigned length = 1u << top;
    while (top-- > 0) {
        struct bitmap longer = join(&begins, &level[top], length);
        if (!is_zero(&longer)) {
            begins = longer;
            length += 1u << top;
        }
    }
    return (struct bitmap_run){next_bit(&begins, 0, 0), length};
}

/* Walks over the runs if there are few; with many runs, doubling is faster. */
struct bitmap_run bitmap_longest_clear_run(const struct bitmap *map)
{
    enum { RUNS_WALKED = 24 };
    struct bitmap_run longest = {0};
    struct bitmap_run run = bitmap_next_clear_run(map, 0);
    for (unsigned walked = 0; run.length != 0; walked++) {
        if (walked == RUNS_WALKED)
            return longest_by_doubling(map);
        if (run.length > longest.length)
            longest = run;
        run = bitmap_next_clear_run(map, run.first + run.length);
    }
    return longest;
}

unsigned bitmap_best_fit(const struct bitmap *map, unsigned count, unsigned align)
{
    unsigned best = BITMAP_BITS;
    unsigned best_length = BITMAP_BITS + 1;
    struct bitmap_run run = bitmap_next_clear_run(map, 0);
    while (run.length != 0) {
        unsigned start = (unsigned)round_up(run.first, align);
        bool fits = start + count <= run.first + run.length;
        if (fits && run.length < best_length) {
            best = start;
            best_length = run.length;
        }
        run = bitmap_next_clear_run(map, run.first + run.length);
    }
    return best;
}
