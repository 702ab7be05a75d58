/* SPDX-License-Identifier: MIT */
/*
 * Physical memory: frames of 4 KiB, huge frames of 2 MiB, giant frames of 1 GiB, and runs of any
 * length.
 *
 * Each address here is physical, in bytes. 0 means "none", because page 0 is never allocated. The
 * contents of frames are not touched and not cleared.
 *
 * Unless a function says otherwise: after quarry_init(), on any CPU, with interrupts on or off, in
 * interrupt handlers.
 */
#ifndef QUARRY_FRAME_H
#define QUARRY_FRAME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QUARRY_FRAME_BYTES 4096u

/* Orders: 2^order frames, aligned to their size. */
#define QUARRY_ORDER_HUGE 9u   /* 2 MiB */
#define QUARRY_ORDER_GIANT 18u /* 1 GiB */

/*
 * 2^order frames, order 0 to QUARRY_ORDER_GIANT, aligned to their size. Returns 0 when there is no
 * such run, or the order is out of range.
 *
 * Order 0 usually comes from a small cache of this CPU. Orders 0 to QUARRY_ORDER_HUGE are
 * lock-free, except when memory is used for the first time, and when it runs out: then the heap
 * frees idle memory, under its locks. So not in NMI handlers. Larger orders search, as
 * quarry_frame_alloc_range() does. Source: LLFree (Wrenger et al., USENIX ATC 2023).
 */
uint64_t quarry_frame_alloc(unsigned order);

/*
 * Frees what quarry_frame_alloc(order) returned. A frame that is not allocated, that is not
 * Quarry's, or whose order differs where that can be seen, stops with a report: for order 0 below
 * level 1 of hardening, when the frame leaves the CPU's cache. Lock-free for all orders; any
 * context, NMI handlers included (except for order 0 with QUARRY_MASKED).
 */
void quarry_frame_free(uint64_t physical, unsigned order);

/*
 * `count` frames in a row, at a multiple of `align_bytes` (0, or a power of two from 4096 to 2^52),
 * all below the address `below_bytes` (0: anywhere). For devices that reach only 1 MiB, 16 MiB or 4
 * GiB, and for large and odd runs. The lowest fitting address is used first; without a bound the
 * first 64 MiB are used last, because old devices reach nothing else. Returns 0 when there is no
 * such run, or an argument is out of range. Searches under a lock, with interrupts masked, for a
 * time in proportion to the memory that it passes over. Not in NMI handlers.
 */
uint64_t quarry_frame_alloc_range(size_t count, uint64_t align_bytes, uint64_t below_bytes);

/* Frees `count` frames of a quarry_frame_alloc_range(): all of them, or any part. Checks as
 * quarry_frame_free() does. */
void quarry_frame_free_range(uint64_t physical, size_t count);

/* The number of free frames. Exact if no CPU is inside the allocator; otherwise an estimate. */
size_t quarry_frame_free_count(void);

/* The number of frames that Quarry owns: all usable memory without its own tables. */
size_t quarry_frame_total_count(void);

/*
 * Makes the memory usable that quarry_init() got as QUARRY_MEMORY_RECLAIMABLE. Call it once the
 * boot loader's structures (stack, page tables, map) are no longer in use. Returns the number of
 * frames gained; a second call gains none. Takes a lock, for a time in proportion to that memory.
 */
size_t quarry_frame_reclaim_boot_memory(void);

#ifdef __cplusplus
}
#endif

#endif
