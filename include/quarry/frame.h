/* SPDX-License-Identifier: MIT */
/*
 * Physical memory: frames of 4 KiB, huge frames of 2 MiB, giant frames of 1 GiB, any run.
 *
 * Every address here is physical, in bytes; 0 means "none", for page 0 is never handed out. The
 * memory's contents are not touched, not even cleared.
 *
 * Unless a function says otherwise: callable after quarry_init(), on any CPU, with interrupts on
 * or off, in interrupt handlers.
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
 * 2^order frames, order 0 to QUARRY_ORDER_GIANT, aligned to their size.
 *
 * Order 0 comes from a small cache of this CPU, nearly always. Orders 0 to QUARRY_ORDER_HUGE are
 * lock-free, but when memory is used for the first time and when it runs out: then idle memory of
 * the heap is asked for, under its locks. So not in NMI handlers.
 * Larger orders search, as quarry_frame_alloc_range() does. Returns 0 when there is no such run, or
 * the order is out of range. Source: LLFree (Wrenger et al., USENIX ATC 2023).
 */
uint64_t quarry_frame_alloc(unsigned order);

/*
 * Gives back what quarry_frame_alloc(order) returned. A frame that is not allocated, that was
 * never Quarry's, or whose order differs where that can be seen, stops with a report: below level 1
 * of hardening, for order 0, when the frame leaves the CPU's cache. Lock-free for all orders; any
 * context, NMI handlers included (but for order 0 under QUARRY_MASKED).
 */
void quarry_frame_free(uint64_t physical, unsigned order);

/*
 * `count` frames in a row, at a multiple of `align_bytes` (0, or a power of two from 4096 to 2^52),
 * all below the address `below_bytes` (0: anywhere). For devices that reach only 1 MiB, 16 MiB or
 * 4 GiB, and for anything large or odd. Lowest fitting address first, but without a bound the first
 * 64 MiB are used last, being the only memory that old devices reach. Searches under a lock, with
 * interrupts masked, for a time in proportion to the memory passed over. Returns 0 when there is no
 * such run, or an argument is out of range. Not in NMI handlers.
 */
uint64_t quarry_frame_alloc_range(size_t count, uint64_t align_bytes, uint64_t below_bytes);

/* Gives back `count` frames from a quarry_frame_alloc_range(): all of them, or any part. Checks as
 * quarry_frame_free() does. */
void quarry_frame_free_range(uint64_t physical, size_t count);

/* Frames that are free now. Exact when no CPU is inside the allocator; otherwise an estimate. */
size_t quarry_frame_free_count(void);

/* Frames that Quarry owns: all usable memory less its own tables. */
size_t quarry_frame_total_count(void);

/*
 * Hands over the memory that quarry_init() was given as QUARRY_MEMORY_RECLAIMABLE: call it once
 * the boot loader's structures (stack, page tables, map) are no longer in use. Returns the number
 * of frames gained; a second call gains none.
 */
size_t quarry_frame_reclaim_boot_memory(void);

#ifdef __cplusplus
}
#endif

#endif
