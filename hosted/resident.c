/* SPDX-License-Identifier: MIT */
/*
 * Large objects and the memory of Linux that is behind them.
 *
 * The page heap frees the blocks of an object of 2 MiB or more to the frame allocator at once, and
 * does not report them to the port, because they may be used again soon. Here they are recorded.
 * Those of a huge object return to Linux when it is freed. The others are kept for some steps. If
 * there are more than 64 MiB (which glibc keeps too) and as much as is in live large objects, all
 * return.
 *
 * Memory returns after the free, because the free checks it (hardening). It may be allocated again
 * meanwhile. So its frames are claimed from the frame allocator first, like an allocation; what
 * cannot be claimed is in use, and recorded again when it is freed.
 *
 * calloc() of a large object clears blocks that probably have memory, and gives the others to Linux
 * instead, which has zeros for them at the next access. This is right for each block; the record is
 * only a hint which of the two is faster.
 *
 * Locking. The sets are atomic words. A claim is made while masked, so that a fork does not copy
 * it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <quarry_arch.h>

#include "hosted/hosted.h"
#include "mm/frames/frames.h"
#include "mm/kinds/large.h"
#include "mm/pages/span.h"

#define BLOCKS (HOSTED_MEMORY_BYTES / ARENA_BYTES)

/* Objects of this size are seldom needed again at once. glibc has the same limit. */
#define HUGE_PAGES (((size_t)32 << 20) / FRAME_BYTES)

#define KEPT_BLOCKS_MIN 32u /* 64 MiB */
#define STEPS_KEPT 8u

/* Numbers of 2 MiB blocks. */
struct block_set {
    uint64_t word[BLOCKS / 64];
};

static struct block_set with_memory; /* a hint: large objects were there */
static struct block_set freed;       /* parts of large objects that were freed; two ages */
static struct block_set freed_before;
static unsigned freed_count; /* atomic: blocks in `freed` and `freed_before` */

/* ---- sets; each function that changes one returns whether it did ---- */

static uint64_t bit_of(size_t block)
{
    return (uint64_t)1 << (block % 64);
}

static bool block_has(const struct block_set *set, size_t block)
{
    return (__atomic_load_n(&set->word[block / 64], __ATOMIC_RELAXED) & bit_of(block)) != 0;
}

static bool block_add(struct block_set *set, size_t block)
{
    uint64_t bit = bit_of(block);
    return !block_has(set, block) &&
           (__atomic_fetch_or(&set->word[block / 64], bit, __ATOMIC_ACQ_REL) & bit) == 0;
}

static bool block_remove(struct block_set *set, size_t block)
{
    uint64_t bit = bit_of(block);
    return block_has(set, block) &&
           (__atomic_fetch_and(&set->word[block / 64], ~bit, __ATOMIC_ACQ_REL) & bit) != 0;
}

/* ---- memory returns to Linux ---- */

static bool return_to_linux(void *start, size_t bytes)
{
    int error = errno;
    bool returned = madvise(start, bytes, MADV_DONTNEED) == 0; /* not if it is locked */
    errno = error;
    return returned;
}

void hosted_memory_idle(void *start, size_t bytes)
{
    size_t first = frame_at(start);
    size_t end = first + bytes / FRAME_BYTES;
    if (return_to_linux(start, bytes))
        for (size_t block = divide_up(first, ARENA_PAGES); (block + 1) * ARENA_PAGES <= end;
             block++)
            block_remove(&with_memory, block);
}

/* Pages of one block, if they are free. */
static bool return_pages(size_t first, size_t pages)
{
    uintptr_t masked = quarry_port_irq_save();
    bool claimed = frames_claim(first, pages);
    if (claimed) {
        hosted_memory_idle(frame_address(first), pages * FRAME_BYTES);
        frames_free_range(first, pages);
    }
    quarry_port_irq_restore(masked);
    return claimed;
}

static size_t return_set(struct block_set *set)
{
    size_t returned = 0;
    for (size_t i = 0; i < BLOCKS / 64; i++) {
        uint64_t word = __atomic_exchange_n(&set->word[i], 0, __ATOMIC_ACQ_REL);
        for (; word != 0; word &= word - 1) {
            __atomic_fetch_sub(&freed_count, 1, __ATOMIC_RELAXED);
            returned += return_pages((i * 64 + bits_lowest(word)) * ARENA_PAGES, ARENA_PAGES);
        }
    }
    return returned;
}

size_t resident_return_freed(void)
{
    return return_set(&freed_before) + return_set(&freed);
}

void resident_step(void)
{
    static unsigned steps; /* atomic */
    if (resident_freed_blocks() == 0 ||
        __atomic_add_fetch(&steps, 1, __ATOMIC_RELAXED) % STEPS_KEPT != 0)
        return;
    return_set(&freed_before);
    for (size_t i = 0; i < BLOCKS / 64; i++) {
        uint64_t word = __atomic_exchange_n(&freed.word[i], 0, __ATOMIC_ACQ_REL);
        __atomic_fetch_or(&freed_before.word[i], word, __ATOMIC_ACQ_REL);
    }
}

unsigned resident_freed_blocks(void)
{
    return __atomic_load_n(&freed_count, __ATOMIC_RELAXED);
}

/* ---- large objects ---- */

struct resident_pages resident_pages_of(const void *object)
{
    const struct span *span = page_map_cache_id(object) == 0 ? span_of_address(object) : NULL;
    if (span == NULL || (uintptr_t)object != span_address(span))
        return (struct resident_pages){0, 0};
    return (struct resident_pages){span->first_page, span->pages};
}

static size_t piece(size_t first, size_t end)
{
    return min_u64(end, round_down(first, ARENA_PAGES) + ARENA_PAGES) - first;
}

static size_t kept_blocks_max(void)
{
    return KEPT_BLOCKS_MIN + large_stats().pages / ARENA_PAGES;
}

static void keep(size_t first, size_t end)
{
    for (; first < end; first += piece(first, end)) {
        size_t block = first / ARENA_PAGES;
        if (!block_has(&freed_before, block) && block_add(&freed, block))
            __atomic_fetch_add(&freed_count, 1, __ATOMIC_RELAXED);
    }
    if (resident_freed_blocks() > kept_blocks_max())
        resident_return_freed();
}

void resident_freed(struct resident_pages pages)
{
    size_t end = pages.first + pages.count;
    if (pages.count < HUGE_PAGES) {
        keep(pages.first, end);
        return;
    }
    for (size_t first = pages.first; first < end; first += piece(first, end))
        return_pages(first, piece(first, end));
}

/* A block with the end of one object and the start of another may be missed: it is recorded again
 * when they are freed. */
void resident_allocated(const void *object)
{
    struct resident_pages pages = resident_pages_of(object);
    size_t end = pages.first + pages.count;
    if (pages.count < ARENA_PAGES)
        return;
    for (size_t first = pages.first; first < end; first += piece(first, end)) {
        size_t block = first / ARENA_PAGES;
        block_add(&with_memory, block);
        if (block_remove(&freed, block))
            __atomic_fetch_sub(&freed_count, 1, __ATOMIC_RELAXED);
        if (block_remove(&freed_before, block))
            __atomic_fetch_sub(&freed_count, 1, __ATOMIC_RELAXED);
    }
}

/* ---- calloc() ---- */

/* Both are in one block, or in several of which none has memory. */
static void clear(char *start, char *end, bool has_memory)
{
    size_t whole = round_down((size_t)(end - start), FRAME_BYTES);
    if (!has_memory && whole > 0 && return_to_linux(start, whole))
        start += whole;
    memset(start, 0, (size_t)(end - start));
}

void resident_clear(void *object, size_t bytes)
{
    char *start = object;
    char *end = start + bytes;
    char *at = start;
    while (at < end) {
        size_t block = frame_at(at) / ARENA_PAGES;
        bool has_memory = block_has(&with_memory, block);
        at = (char *)frame_address((block + 1) * ARENA_PAGES);
        while (!has_memory && at < end && !block_has(&with_memory, frame_at(at) / ARENA_PAGES))
            at += ARENA_BYTES;
        if (at > end)
            at = end;
        clear(start, at, has_memory);
        start = at;
    }
}
