/* SPDX-License-Identifier: MIT */
/*
 * Quarry, a memory allocator for kernels.
 *
 *     quarry_init(&setup);                      once, on the boot CPU
 *     quarry_cpu_online(number);                on each CPU, before it allocates
 *     void *object = quarry_alloc(bytes);       NULL when memory is gone
 *     quarry_free(object);
 *
 * Contexts. Unless a function says otherwise it may be called after quarry_init(), on every CPU
 * that is online, with interrupts on or off, and in interrupt handlers. It takes locks only with
 * interrupts masked, so a handler never waits for what it interrupted. No function may be called
 * in an NMI handler yet, but for quarry_frame_free().
 *
 * Misuse. A pointer that Quarry did not give, points inside an object, or is free already, stops
 * the machine with a report (quarry_port_panic()) as soon as a path that looks at it meets it:
 * at once for large objects and for foreign pointers, and for small objects when the CPU's cache
 * hands them back.
 *
 * No memory. Every allocating function returns NULL and leaves everything as it was.
 */
#ifndef QUARRY_H
#define QUARRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/port.h>

#ifdef __cplusplus
extern "C" {
#endif

enum quarry_status {
    QUARRY_OK = 0,
    QUARRY_BAD_SETUP, /* a field of the setup, or a CPU number, is out of range */
    QUARRY_NO_MEMORY, /* no room for Quarry's tables */
};

/* Flags of quarry_alloc_with(). */
enum {
    QUARRY_ZEROED = 1u << 0,   /* all bytes 0 */
    QUARRY_MAY_WAIT = 1u << 1, /* before failing, wait a bounded time for other CPUs' caches */
};

/*
 * Takes over the machine's memory. Call once, on the boot CPU, which must then call
 * quarry_cpu_online() itself. The setup is copied; nothing of it is used afterwards. Returns
 * QUARRY_BAD_SETUP or QUARRY_NO_MEMORY with nothing taken over. Calling it again forgets all that
 * was ever allocated: only for tests, with no other CPU inside Quarry.
 */
enum quarry_status quarry_init(const struct quarry_setup *setup);

/*
 * At least `bytes` bytes, aligned to 8; to 16 where `bytes` is a multiple of 16; to `bytes` where
 * that is a power of two up to 4096: so enough for any C type of that size. Contents are
 * undefined. 0 bytes give a pointer of their own. Does not wait.
 */
void *quarry_alloc(size_t bytes);

/* The same with flags. With QUARRY_MAY_WAIT: interrupts on, not in a handler, no lock held that
 * another CPU may spin for with its interrupts off. */
void *quarry_alloc_with(size_t bytes, unsigned flags);

/* The same, all bytes 0. */
void *quarry_zeroed(size_t bytes);

/* `count` objects of `bytes` each in one block, all bytes 0; NULL also where the product
 * overflows. */
void *quarry_calloc(size_t count, size_t bytes);

/* At a multiple of `alignment`: a power of two up to 1 GiB; NULL for any other. */
void *quarry_aligned(size_t alignment, size_t bytes);

/*
 * The object with a new size: the same address where it fits there (also by growing into free
 * pages behind a large object), else a new one with the old contents. NULL gives a new object. On
 * failure, which even a smaller size may meet, returns NULL, and the old object stays valid and
 * unchanged. `bytes` 0 is a size like any other: the object shrinks and is not freed.
 */
void *quarry_realloc(void *object, size_t bytes);

/* Frees an object. NULL is nothing. */
void quarry_free(void *object);

/*
 * The same for an object that was last asked for (by any function but quarry_aligned(), which may
 * have chosen a larger class) with `bytes` bytes. A size of another class stops with a report.
 */
void quarry_free_sized(void *object, size_t bytes);

/* How many bytes of the object may be used: at least as many as were asked for. 0 for NULL. */
size_t quarry_usable_size(const void *object);

/*
 * Fills `objects` with up to `count` objects of `bytes` bytes each and returns how many there are:
 * `count`, or fewer when memory is gone.
 */
size_t quarry_alloc_batch(size_t bytes, size_t count, void *objects[]);

/* Frees `count` objects, of any sizes; NULLs among them are nothing. */
void quarry_free_batch(size_t count, void *const objects[]);

/* ---- CPUs ---- */

/*
 * This CPU has the number `cpu` and starts to use its cache. Call it on that CPU before its first
 * allocation, interrupts off or no handler allocating yet. Returns QUARRY_NO_MEMORY when there is
 * no room for the cache: the CPU may allocate all the same, without one, slower.
 */
enum quarry_status quarry_cpu_online(unsigned cpu);

/* Gives all that this CPU's cache holds to the others. Called on that CPU; it may go on
 * allocating, without a cache, until it is online again. */
void quarry_cpu_offline(void);

/* The same for a CPU that has stopped for good, called on another. It must not run any more. */
enum quarry_status quarry_cpu_reap(unsigned cpu);

/*
 * Asks every CPU to give back what its cache holds, does so for this one at once, and waits (a
 * bounded time) for the others. Interrupts on, not in a handler. Returns the number of CPUs that
 * did not answer; they will when they next miss their cache.
 */
unsigned quarry_drain(void);

/* The handler's part of setup.interrupt_cpu: call it in the interrupt handler, on that CPU. */
void quarry_drain_interrupt(void);

/* ---- Memory that is not needed now ---- */

/*
 * One step of the background scavenger, for a kernel's idle loop or a timer: gives back arenas
 * that were not needed for some steps. Bounded work: at most 16 arenas (32 MiB). Returns the
 * number of frames given back. A step every 100 ms or so is right: what a load frees and takes
 * again within eight steps is kept.
 */
size_t quarry_scavenge_step(void);

/* Gives back all that can be, now: this CPU's cache, shared caches, every idle arena. Returns the
 * number of frames given back. */
size_t quarry_scavenge(void);

/* ---- Looking inside ---- */

/* In bytes, unless a name says otherwise. Exact when no CPU is inside Quarry. */
struct quarry_stats {
    size_t frames_total; /* usable memory less Quarry's tables, in frames */
    size_t frames_free;
    size_t boot_bytes; /* Quarry's tables, taken at quarry_init() */
    size_t lost_bytes; /* usable by the map, but in more ranges than can be kept */

    size_t arenas;         /* 2 MiB windows that the heap has a part of */
    size_t arena_bytes;    /* memory in them: live + cached + free, rounding included */
    size_t metadata_bytes; /* descriptors, tables and CPU caches, besides boot_bytes */

    size_t small_live_bytes;   /* handed out, by class size */
    size_t small_cached_bytes; /* in CPU and transfer caches */
    size_t small_free_bytes;   /* in spans, not handed out */
    size_t small_tail_bytes;   /* ends of spans where no object fits */
    size_t large_live_bytes;   /* large objects, rounded up to pages */
    size_t page_free_bytes;    /* free pages of arenas */
    /* arena_bytes is the sum of these six. */

    size_t small_live_objects;
    size_t large_live_objects;
    size_t guarded_live_objects; /* on pages of their own: quarry/guard.h */
    size_t spans;
};

void quarry_stats(struct quarry_stats *stats);

/* One size class: 1 to quarry_class_count() - 1. */
struct quarry_class_stats {
    size_t object_bytes;
    size_t spans;
    size_t live_objects;
    size_t cached_objects;
    size_t free_objects;
};

unsigned quarry_class_count(void);

/* All zero for a class that does not exist. */
void quarry_class_stats(unsigned size_class, struct quarry_class_stats *stats);

/*
 * Walks every structure and compares each with the others; stops with a report where they
 * disagree. No other CPU may be inside Quarry meanwhile, nor a handler on this one. Takes time in
 * proportion to the memory in use.
 */
void quarry_verify(void);

#ifdef __cplusplus
}
#endif

#endif
