/* SPDX-License-Identifier: MIT */
/*
 * Quarry as the malloc of Linux programs: what its files share.
 *
 *     malloc.c       the family of functions that programs call
 *     threads.c      threads that come and go, and forks
 *     sharing.c      threads beyond those that have a cache: the machine's CPUs
 *     restartable.c  the sequences by which they pop and push
 *     window.c       the address space that plays physical memory, and the stop
 */
#ifndef HOSTED_HOSTED_H
#define HOSTED_HOSTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOW __attribute__((__noinline__, __cold__))

/*
 * Quarry's CPUs here: 0 is nobody's; then threads that have a cache of their own, so many where
 * further ones can share the machine's CPUs' caches, or up to HOSTED_THREADS_MAX where they cannot;
 * then those CPUs. A thread's own cache is faster, and each holds up to 2 MiB.
 */
#ifndef HOSTED_THREAD_CACHES
#define HOSTED_THREAD_CACHES 32
#endif
#define HOSTED_THREADS_MAX 127u
#define HOSTED_SHARED_CPUS_MAX 128u

_Static_assert(HOSTED_THREAD_CACHES >= 0 && HOSTED_THREAD_CACHES <= HOSTED_THREADS_MAX, "numbers");

/* The window, mapped by the first who asks; its start, physical address 0. */
uintptr_t hosted_window(void);

/* Gives Linux what it holds, for as long as nobody writes to it. */
void hosted_memory_idle(void *start, size_t bytes);

#define HOSTED_WINDOW_BYTES ((size_t)64 << 30)

/* Memory begins where the frame allocator does not spare it for old devices. */
#define HOSTED_FIRST_BYTE ((uint64_t)64 << 20)

/* Around all of Quarry's functions, but for pop and push: the thread is one of Quarry's in between,
 * and Quarry is ready. */
void hosted_enter(void);
void hosted_leave(void);

/* ---- sharing ---- */

/* How many CPUs of the machine can be shared; 0: sequences do not restart here. */
unsigned sharing_count(void);

/* Once Quarry is ready: the CPUs' stacks, all at `door`, are Quarry's CPUs from `first_number` on.
 */
void sharing_begin(unsigned first_number, void **door);

/* Whether this thread can share. */
bool sharing_works(void);

/* Sees to it that the CPU which runs this has a cache. */
void sharing_enter(void);

/* Waits until no thread has a CPU claimed; hosted_forking is set. */
void sharing_wait_for_all(void);

/* The table of malloc() for sizes up to SIZE_CLASS_LOOKUP_BYTES_MAX. */
void hosted_fill_classes(void);

#endif
