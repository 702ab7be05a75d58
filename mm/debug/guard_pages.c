/* SPDX-License-Identifier: MIT */
/* Sampled guard pages; see guard_pages.h. */
#include "mm/debug/guard_pages.h"

#include <quarry/guard.h>

#include "lib/check.h"
#include "lib/memory.h"
#include "mm/debug/misuse.h"
#include "mm/debug/sampler.h"
#include "mm/frames/frames.h"

#define PATTERN_BYTE 0xcau
#define TABLE_FRAMES                                                                               \
    (((size_t)QUARRY_GUARD_OBJECTS * sizeof(struct guarded) + FRAME_BYTES - 1) / FRAME_BYTES)

struct guard_pages guard_pages;

static unsigned char *page_of(size_t index)
{
    return (unsigned char *)guard_pages.base + (2 * index + 1) * FRAME_BYTES;
}

/* ---- start and stop ---- */

static const struct object_kind guarded_kind;
static sampler_alloc guarded_alloc;

/* Pages and table at once. No other CPU knows of them yet. */
static bool alloc_pages(void)
{
    size_t first = frames_alloc_range(frame_node_here(), GUARD_PAGES + TABLE_FRAMES, 1, 0);
    if (first == NO_FRAME)
        return false;
    uintptr_t base = (uintptr_t)frame_address(first);
    guard_pages.objects = (struct guarded *)(base + GUARD_PAGES * FRAME_BYTES);
    memory_clear(guard_pages.objects, TABLE_FRAMES * FRAME_BYTES);
    for (size_t page = 0; page < GUARD_PAGES; page++)
        sampler.set_access((void *)(base + page * FRAME_BYTES), false);
    atomic_store_release(&guard_pages.base, base);
    return true;
}

/* The first start after quarry_init(). */
static bool register_kind(void)
{
    guard_pages = (struct guard_pages){.random = random_seeded(sampler.seed)};
    spinlock_init(&guard_pages.lock, LOCK_RANK_GUARD_PAGES);
    if (!alloc_pages())
        return false;
    object_kind_register_range(&guarded_kind, guard_pages.base, GUARD_PAGES * FRAME_BYTES);
    sampler.alloc = guarded_alloc;
    return true;
}

enum quarry_status quarry_guard_start(unsigned every)
{
    if (every == 0 || sampler.set_access == NULL)
        return QUARRY_BAD_SETUP;
    if (sampler.alloc == NULL && !register_kind())
        return QUARRY_NO_MEMORY;
    atomic_store_relaxed(&sampler.countdown, (long)every);
    atomic_store_release(&sampler.every, every);
    return QUARRY_OK;
}

void quarry_guard_stop(void)
{
    atomic_store_release(&sampler.every, 0);
}

/* ---- allocation ---- */

/* The place that was freed first; NULL: all are live. The lock is held. */
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
    sampler.set_access(page, true);
    quarry_port_fill(page, PATTERN_BYTE, FRAME_BYTES);
    /* An object of 0 bytes needs an address on its own page too. */
    size_t end_offset = round_down(FRAME_BYTES - max_u64(bytes, 1), alignment);
    guarded->object = at_end ? page + end_offset : page;
    guarded->bytes = bytes;
    guarded->state = GUARDED_LIVE;
}

static void *guarded_alloc(const struct object_request *request, size_t alignment)
{
    if (request->bytes > GUARD_OBJECT_BYTES_MAX)
        return NULL;
    irq_state irq = spinlock_acquire(&guard_pages.lock);
    atomic_store_relaxed(&sampler.countdown, (long)atomic_load_relaxed(&sampler.every));
    struct guarded *guarded = oldest_free();
    void *object = NULL;
    if (guarded != NULL) {
        place(guarded, request->bytes, alignment);
        call_stack_take(&guarded->allocated, request->caller);
        atomic_store_relaxed(&sampler.live, sampler.live + 1);
        object = guarded->object;
    }
    spinlock_release(&guard_pages.lock, irq);
    return object;
}

/* ---- reports ---- */

static void add_object(const struct guarded *guarded)
{
    static const char *const states[] = {"never allocated", "allocated", "freed"};
    report_add("\n  object   %p, %zu bytes, guarded, %s", (const void *)guarded->object,
               guarded->bytes, states[guarded->state]);
}

static void add_stacks(const struct guarded *guarded)
{
    if (guarded->state != GUARDED_UNUSED)
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

/* What an access to `address` is, as seen from `guarded`. */
static const char *violation_name(const struct guarded *guarded, const unsigned char *address)
{
    if (guarded->state == GUARDED_FREED)
        return "use after free";
    return address < guarded->object ? "underflow" : "overflow";
}

static void begin_violation(const struct guarded *guarded, const unsigned char *address,
                            const char *how)
{
    report_begin();
    report_add("quarry: %s: %s %p", violation_name(guarded, address), how, (const void *)address);
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

/* The place whose page contains the address, or the one before the guard page that contains it. */
static struct guarded *guarded_near(const void *address)
{
    size_t page = ((uintptr_t)address - guard_pages.base) / FRAME_BYTES;
    size_t index = page > 0 ? (page - 1) / 2 : 0;
    return &guard_pages.objects[index];
}

/* The live object that begins exactly there; stops if there is none. */
static struct guarded *checked(const char *operation, const void *object)
{
    struct guarded *guarded = guarded_near(object);
    if (guarded->state != GUARDED_LIVE || guarded->object != object)
        stop_bad_pointer(operation, guarded, object);
    return guarded;
}

/* Found when the object is freed. Which instruction wrote is not known. */
static _Noreturn void stop_written(const struct guarded *guarded, const unsigned char *byte,
                                   const unsigned char *page)
{
    begin_violation(guarded, byte, "bytes were written at");
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

static void guarded_free(struct span *span, void *object, const void *caller)
{
    (void)span;
    irq_state irq = spinlock_acquire(&guard_pages.lock);
    struct guarded *guarded = checked("free", object);
    check_pattern(guarded);
    call_stack_take(&guarded->freed, caller);
    guarded->state = GUARDED_FREED;
    guarded->turn = ++guard_pages.turns;
    atomic_store_relaxed(&sampler.live, sampler.live - 1);
    sampler.set_access((void *)round_down((uintptr_t)object, FRAME_BYTES), false);
    spinlock_release(&guard_pages.lock, irq);
}

static size_t guarded_usable_bytes(struct span *span, const void *object, const char *operation)
{
    (void)span;
    irq_state irq = spinlock_acquire(&guard_pages.lock);
    size_t bytes = checked(operation, object)->bytes;
    spinlock_release(&guard_pages.lock, irq);
    return bytes;
}

static bool guarded_fits(struct span *span, const void *object, size_t bytes)
{
    return bytes == guarded_usable_bytes(span, object, "sized free");
}

/* Its end is exact, so each new size is a new object. */
static bool guarded_resize(struct span *span, void *object, size_t bytes)
{
    (void)span, (void)object, (void)bytes;
    return false;
}

static _Noreturn void guarded_report(struct span *span, const void *address, const char *operation)
{
    (void)span;
    stop_bad_pointer(operation, guarded_near(address), address);
}

/* No span has this kind, so nothing walks over it: no `verify`. */
static const struct object_kind guarded_kind = {
    .free = guarded_free,
    .usable_bytes = guarded_usable_bytes,
    .fits = guarded_fits,
    .resize = guarded_resize,
    .report = guarded_report,
};

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
    begin_violation(guarded, address, write ? "write to" : "read of");
    report_add("\n  by       the instruction at %p", instruction);
    add_place(guarded, address);
    report_stop();
}
