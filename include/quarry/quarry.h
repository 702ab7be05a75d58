/* SPDX-License-Identifier: MIT */
/*
 * Quarry, a memory allocator for kernels.
 *
 *     quarry_init(&setup);                      once, on the boot CPU
 *     quarry_cpu_online(number);                on each CPU, before it allocates
 *     void *object = quarry_alloc(bytes);       NULL: no memory
 *     quarry_free(object);
 *
 * Contexts. Unless a function says otherwise, it may be called after quarry_init(), on each CPU
 * that is online or was online, with interrupts on or off, and in interrupt handlers. Locks are
 * taken only with interrupts masked, so a handler never waits for the code that it interrupted. In
 * an NMI handler only quarry_frame_free(), quarry_memory_use() and quarry_guard_fault() may be
 * called.
 *
 * Bounds. A hit in the CPU's cache costs tens of instructions, takes no lock and masks nothing. A
 * miss moves at most 32 objects and takes the lock of the transfer cache, and of the central list
 * if that is empty or full. A miss that creates a span or an arena costs some thousand
 * instructions. A request that finds no memory reclaims first, which takes time in proportion to
 * the memory that is cached and free.
 *
 * Misuse. A pointer that Quarry did not allocate, that points into an object, or that is free
 * already stops the machine with a report (quarry_port_panic()) when a checking path first sees the
 * pointer: at once for large objects and foreign pointers, and for small objects when they leave
 * the CPU's cache. From level 1 of hardening on each free is checked at once (docs/hardening.md).
 *
 * No memory. Each allocating function returns NULL and leaves everything as it was.
 */
#ifndef QUARRY_H
#define QUARRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/port.h>
#include <quarry/status.h>
#include <quarry/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of quarry_alloc_with(). */
enum {
    QUARRY_ZEROED = 1u << 0,   /* all bytes are 0 */
    QUARRY_MAY_WAIT = 1u << 1, /* before it fails, wait a bounded time for other CPUs' caches */
};

/*
 * Takes over the machine's memory. Call it once, on the boot CPU, before any other function; then
 * call quarry_cpu_online() on each CPU. The setup is copied. Time: the square of the number of
 * regions, and the number of CPUs; not the memory.
 *
 * Returns QUARRY_BAD_SETUP (`cpus` is 0 or more than QUARRY_CPUS_MAX, `direct_map` is no multiple
 * of 1 GiB, or `regions` is NULL although `region_count` is not 0) or QUARRY_NO_MEMORY (no region
 * has room for the tables), with nothing taken over. A second call forgets all that was ever
 * allocated: only for tests, with no other CPU inside Quarry.
 */
enum quarry_status quarry_init(const struct quarry_setup *setup);

/*
 * At least `bytes` bytes, contents undefined; NULL: no memory. Aligned to 8; to 16 if `bytes` is a
 * multiple of 16; to `bytes` if that is a power of two up to 4096. So any C type of that size is
 * aligned. A zero-byte request returns a unique pointer that must be freed. Does not wait.
 */
void *quarry_alloc(size_t bytes);

/* The same, with flags. With QUARRY_MAY_WAIT: interrupts on, not in a handler, and the caller holds
 * no lock that another CPU may wait for with its interrupts off. */
void *quarry_alloc_with(size_t bytes, unsigned flags);

/* quarry_alloc(), with all bytes 0. Clears up to `bytes` bytes with interrupts as they are. */
void *quarry_zeroed(size_t bytes);

/* `count` objects of `bytes` bytes in one block, all bytes 0. NULL: no memory, or the product
 * overflows. */
void *quarry_calloc(size_t count, size_t bytes);

/* quarry_alloc() at a multiple of `alignment`, a power of two up to 1 GiB; NULL for any other. */
void *quarry_aligned(size_t alignment, size_t bytes);

/*
 * Changes the size of an object. Returns the same address if the object can stay: in its size
 * class, or, for a large object, with free pages behind it. Else a new object with the old
 * contents, and the old one is freed. NULL allocates a new object. `bytes` 0 is a size like any
 * other: the object shrinks and is not freed. Returns NULL on failure; shrinking can fail too. Then
 * the old object is valid and unchanged. Copies up to the smaller of both sizes.
 */
void *quarry_realloc(void *object, size_t bytes);

/* Frees an object. NULL is ignored. Stops on misuse, as described above. */
void quarry_free(void *object);

/*
 * The same for an object that was last requested with `bytes` bytes, by any function but
 * quarry_aligned(), which may choose a larger class. A size of another class stops with a report.
 */
void quarry_free_sized(void *object, size_t bytes);

/* The bytes of the object that may be used: at least as many as were requested. 0 for NULL. Stops
 * on misuse that it sees. */
size_t quarry_usable_size(const void *object);

/*
 * Stores up to `count` objects of `bytes` bytes each in `objects`; returns how many: `count`, or
 * fewer when there is no more memory.
 */
size_t quarry_alloc_batch(size_t bytes, size_t count, void *objects[]);

/* Frees `count` objects of any sizes. NULLs among them are ignored. */
void quarry_free_batch(size_t count, void *const objects[]);

/* ---- CPUs ---- */

/*
 * This CPU has the number `cpu` and gets its cache. Call it on that CPU before its first
 * allocation, with interrupts off, or before any handler allocates.
 *
 * Returns QUARRY_BAD_SETUP if the number is out of range or online already. QUARRY_NO_MEMORY: no
 * memory for the cache; the CPU can still allocate, without a cache.
 */
enum quarry_status quarry_cpu_online(unsigned cpu);

/* Drains and closes the cache of this CPU. It can still allocate, without a cache, until it is
 * online again. Ignored on a CPU that is not online. */
void quarry_cpu_offline(void);

/*
 * Drains and closes the cache of a CPU that will not run again. Call it from another CPU. Returns
 * QUARRY_BAD_SETUP for the caller's own number, a number out of range, and a CPU that is not
 * online.
 */
enum quarry_status quarry_cpu_reap(unsigned cpu);

/*
 * Requests that each CPU drains its cache, drains this CPU's at once, and waits for the others, at
 * most QUARRY_DRAIN_WAIT_ROUNDS. Interrupts on, not in a handler. Returns the number of CPUs that
 * did not answer; they drain their caches at their next miss.
 */
unsigned quarry_drain(void);

/* The handler's part of setup.interrupt_cpu: call it in the interrupt handler, on that CPU. */
void quarry_drain_interrupt(void);

/* ---- memory that is not needed ---- */

/*
 * One step of the scavenger, for a kernel's idle loop or a timer. A step every 100 ms is right:
 * memory that a load frees and needs again within QUARRY_SCAVENGE_STEPS_REMEMBERED steps is kept.
 *
 * It releases at most QUARRY_SCAVENGE_ARENAS_PER_STEP idle arenas of 2 MiB, and visits each cache
 * once: three locks per cache, about 550 in all, and more for those whose objects go to their
 * spans. Returns the number of frames that were freed.
 */
size_t quarry_scavenge_step(void);

/* Frees all memory that is not in use, now: this CPU's cache, shared caches, all idle arenas.
 * Returns the number of frames that were freed. */
size_t quarry_scavenge(void);

/* ---- statistics and verification ---- */

/* In bytes, unless a name says otherwise. Exact if no CPU is inside Quarry. */
struct quarry_stats {
    size_t frames_total; /* usable memory less Quarry's tables, in frames */
    size_t frames_free;
    size_t boot_bytes; /* Quarry's tables, taken at quarry_init() */
    size_t lost_bytes; /* usable by the map, but in more ranges than can be kept */

    size_t arenas;         /* 2 MiB blocks of which the heap owns a part */
    size_t arena_bytes;    /* memory in them: live + cached + free, rounding included */
    size_t metadata_bytes; /* descriptors, tables and CPU caches, besides boot_bytes */

    size_t small_live_bytes;   /* allocated by the kernel, by size of their class */
    size_t small_cached_bytes; /* in CPU and transfer caches */
    size_t small_free_bytes;   /* in spans, not allocated */
    size_t small_tail_bytes;   /* behind the last object of each span */
    size_t large_live_bytes;   /* large objects, rounded up to pages */
    size_t page_free_bytes;    /* free pages of arenas */
    /* arena_bytes is the sum of these six. */

    size_t small_live_objects;
    size_t large_live_objects;
    size_t guarded_live_objects; /* between guard pages: quarry/guard.h */
    size_t spans;
};

/* Fills `stats`. Takes each lock once, one at a time: some hundred of them. Not in a handler. */
void quarry_stats(struct quarry_stats *stats);

/* Statistics of one size class. */
struct quarry_class_stats {
    size_t object_bytes;
    size_t spans;
    size_t live_objects;
    size_t cached_objects;
    size_t free_objects;
};

/* Size classes are 1 to this less one. */
unsigned quarry_class_count(void);

/* Fills `stats`; all zero for a class that does not exist. Takes two locks. Not in a handler. */
void quarry_class_stats(unsigned size_class, struct quarry_class_stats *stats);

/*
 * Walks over all structures and compares each with the others; stops with a report if they
 * disagree. No other CPU may be inside Quarry meanwhile, nor a handler on this one. Time: in
 * proportion to the memory in use.
 */
void quarry_verify(void);

#ifdef __cplusplus
}
#endif

#endif
