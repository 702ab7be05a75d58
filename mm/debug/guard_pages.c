/* SPDX-License-Identifier: MIT */
/* Sampled guard pages; see guard_pages.h. */
#include "mm/debug/guard_pages.h"

#include <quarry/guard.h>

#include "lib/check.h"
#include "lib/memory.h"
#include "mm/debug/misuse.h"
#include "mm/frames/frame_api.h"

#define PATTERN_BYTE 0xcau
#define TABLE_FRAMES                                                                               \
    (((size_t)QUARRY_GUARD_OBJECTS * sizeof(struct guarded) + FRAME_BYTES - 1) / FRAME_BYTES)

struct guard_pages guard_pages;

void guard_pages_init(void (*set_access)(void *page, bool accessible), uint64_t seed)
{
    guard_pages = (struct guard_pages){
        .set_access = set_access,
        .random = random_seeded(seed),
    };
    spinlock_init(&guard_pages.lock, LOCK_RANK_GUARD_PAGES);
}

static unsigned char *page_of(size_t index)
{
    return (unsigned char *)guard_pages.base + (2 * index + 1) * FRAME_BYTES;
}

/* ---- on and off ---- */

/* Pages and table at once; nobody uses them yet. */
static bool take_pages(void)
{
    size_t first = frame_allocator_alloc_range(&frames.allocator, GUARD_PAGES + TABLE_FRAMES, 1, 0);
    if (first == NO_FRAME)
        return false;
    uintptr_t base = (uintptr_t)frame_address(first);
    guard_pages.objects = (struct guarded *)(base + GUARD_PAGES * FRAME_BYTES);
    memory_clear(guard_pages.objects, TABLE_FRAMES * FRAME_BYTES);
    for (size_t page = 0; page < GUARD_PAGES; page++)
        guard_pages.set_access((void *)(base + page * FRAME_BYTES), false);
    atomic_store_release(&guard_pages.base, base);
    return true;
}

enum quarry_status quarry_guard_start(unsigned every)
{
    if (every == 0 || guard_pages.set_access == NULL)
        return QUARRY_BAD_SETUP;
    if (guard_pages.base == 0 && !take_pages())
        return QUARRY_NO_MEMORY;
    atomic_store_relaxed(&guard_pages.countdown, (long)every);
    atomic_store_release(&guard_pages.every, every);
    return QUARRY_OK;
}

void quarry_guard_stop(void)
{
    atomic_store_release(&guard_pages.every, 0);
}

size_t guard_pages_live(void)
{
    return atomic_load_relaxed(&guard_pages.live);
}

/* ---- allocation ---- */

/* The place that was freed the longest time ago; NULL: all are live. The lock is held. */
static struct guarded *oldest_free(void)
{
    struct guarded *oldest = NULL;
    for (size_t i = 0; i < QUARRY_GUARD_OBJECTS; i++) {
        struct guarded *guarded = &guard_pages.objects[i];
        if (guarded->state != GUARDED_LIVE && (oldest == NULL || guarded->turn < oldest->turn))
            oldest = guarded;
    }
    return oldest;
}

static void place(struct guarded *guarded, size_t bytes, size_t alignment)
{
    unsigned char *page = page_of((size_t)(guarded - guard_pages.objects));
    bool at_end = random_next(&guard_pages.random) >> 63;
    guard_pages.set_access(page, true);
    quarry_port_fill(page, PATTERN_BYTE, FRAME_BYTES);
    guarded->object = at_end ? page + round_down(FRAME_BYTES - bytes, alignment) : page;
    guarded->bytes = bytes;
    guarded->state = GUARDED_LIVE;
}

void *guard_pages_alloc(size_t bytes, size_t alignment, const void *caller)
{
    irq_state irq = spinlock_acquire(&guard_pages.lock);
    atomic_store_relaxed(&guard_pages.countdown, (long)guard_pages.every);
    struct guarded *guarded = oldest_free();
    void *object = NULL;
    if (guarded != NULL) {
        place(guarded, bytes, alignment);
        call_stack_take(&guarded->allocated, caller);
        atomic_store_relaxed(&guard_pages.live, guard_pages.live + 1);
        object = guarded->object;
    }
    spinlock_release(&guard_pages.lock, irq);
    return object;
}

/* ---- reports ---- */

static void add_object(const struct guarded *guarded)
{
    static const char *const states[] = {"never given out", "allocated", "freed"};
    report_add("\n  object   %p, %zu bytes, guarded, %s", (const void *)guarded->object,
               guarded->bytes, states[guarded->state]);
}

static void add_stacks(const struct guarded *guarded)
{
    if (guarded->state != GUARDED_NEVER)
        call_stack_add("allocated by", &guarded->allocated);
    if (guarded->state == GUARDED_FREED)
        call_stack_add("freed by", &guarded->freed);
}

static _Noreturn void stop_bad_pointer(const char *operation, const struct guarded *guarded,
                                       const unsigned char *address)
{
    bool freed = guarded->state == GUARDED_FREED && address == guarded->object;
    report_begin();
    report_add("quarry: bad %s: %s\n  address  %p", operation,
               freed ? "double free" : "no guarded object begins there", (const void *)address);
    add_object(guarded);
    add_stacks(guarded);
    report_stop();
}

/* What the program did to `guarded` by touching `address`. */
static const char *deed(const struct guarded *guarded, const unsigned char *address)
{
    if (guarded->state == GUARDED_FREED)
        return "use after free";
    return address < guarded->object ? "underflow" : "overflow";
}

static void begin_touched(const struct guarded *guarded, const unsigned char *address,
                          const char *how)
{
    report_begin();
    report_add("quarry: %s: %s %p", deed(guarded, address), how, (const void *)address);
}

static void add_place(const struct guarded *guarded, const unsigned char *address)
{
    add_object(guarded);
    if (address < guarded->object)
        report_add("\n  place    %zu bytes before its start", (size_t)(guarded->object - address));
    else
        report_add("\n  place    %zu bytes behind its start", (size_t)(address - guarded->object));
    add_stacks(guarded);
}

/* ---- freeing ---- */

/* The place on whose page, or on the guard page before which, the address is. */
static struct guarded *guarded_near(const void *address)
{
    size_t page = ((uintptr_t)address - guard_pages.base) / FRAME_BYTES;
    size_t index = page > 0 ? (page - 1) / 2 : 0;
    return &guard_pages.objects[index];
}

/* A live object that begins exactly there; stops where there is none. */
static struct guarded *checked(const char *operation, const void *object)
{
    struct guarded *guarded = guarded_near(object);
    if (guarded->state != GUARDED_LIVE || guarded->object != object)
        stop_bad_pointer(operation, guarded, object);
    return guarded;
}

/* Found when the object is freed: nobody knows who did it. */
static _Noreturn void stop_written(const struct guarded *guarded, const unsigned char *byte,
                                   const unsigned char *page)
{
    begin_touched(guarded, byte, "somebody wrote to");
    add_place(guarded, byte);
    misuse_add_bytes(byte, page, page + FRAME_BYTES - 1);
    report_stop();
}

/* Bytes of the object's page beside the object. */
static void check_pattern(const struct guarded *guarded)
{
    const unsigned char *page = page_of((size_t)(guarded - guard_pages.objects));
    for (const unsigned char *byte = page; byte < page + FRAME_BYTES; byte++) {
        if (byte == guarded->object)
            byte += guarded->bytes;
        if (byte < page + FRAME_BYTES && *byte != PATTERN_BYTE)
            stop_written(guarded, byte, page);
    }
}

void guard_pages_free(void *object, const void *caller)
{
    irq_state irq = spinlock_acquire(&guard_pages.lock);
    struct guarded *guarded = checked("free", object);
    check_pattern(guarded);
    call_stack_take(&guarded->freed, caller);
    guarded->state = GUARDED_FREED;
    guarded->turn = ++guard_pages.turns;
    atomic_store_relaxed(&guard_pages.live, guard_pages.live - 1);
    guard_pages.set_access((void *)round_down((uintptr_t)object, FRAME_BYTES), false);
    spinlock_release(&guard_pages.lock, irq);
}

size_t guard_pages_usable_bytes(const char *operation, const void *object)
{
    irq_state irq = spinlock_acquire(&guard_pages.lock);
    size_t bytes = checked(operation, object)->bytes;
    spinlock_release(&guard_pages.lock, irq);
    return bytes;
}

/* ---- faults ---- */

/* A guard page lies between two objects: the nearer one of those that are live, else of all. */
static const struct guarded *nearest(const unsigned char *address)
{
    size_t page = ((uintptr_t)address - guard_pages.base) / FRAME_BYTES;
    const struct guarded *before = guarded_near(address);
    if (page % 2 != 0 || page == 0 || page + 1 == GUARD_PAGES)
        return before;
    const struct guarded *behind = before + 1;
    bool one_lives = (before->state == GUARDED_LIVE) != (behind->state == GUARDED_LIVE);
    if (one_lives)
        return before->state == GUARDED_LIVE ? before : behind;
    return (uintptr_t)address % FRAME_BYTES < FRAME_BYTES / 2 ? before : behind;
}

void quarry_guard_fault(const void *address, bool write, const void *instruction)
{
    if (!guard_pages_have(address))
        return;
    const struct guarded *guarded = nearest(address);
    begin_touched(guarded, address, write ? "write to" : "read of");
    report_add("\n  by       the instruction at %p", instruction);
    add_place(guarded, address);
    report_stop();
}
