/* SPDX-License-Identifier: MIT */
/*
 * Quarry as the malloc of Linux programs: what its files share.
 *
 *     malloc.c     the family of functions that programs call
 *     threads.c    threads that come and go, and forks
 *     window.c     the address space that plays physical memory, and the stop
 */
#ifndef HOSTED_HOSTED_H
#define HOSTED_HOSTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOW __attribute__((noinline, cold))

/* Numbers of threads with a cache; further ones share Quarry's slow paths. 0 is nobody's. */
#define HOSTED_THREADS 128u

/* The window, mapped by the first who asks; its start, physical address 0. */
uintptr_t hosted_window(void);

#define HOSTED_WINDOW_BYTES ((size_t)64 << 30)

/* Memory begins where the frame allocator does not spare it for old devices. */
#define HOSTED_FIRST_BYTE ((uint64_t)64 << 20)

/* Around all of Quarry's functions, but for pop and push: the thread is one of Quarry's in between,
 * and Quarry is ready. */
void hosted_enter(void);
void hosted_leave(void);

/* The table of malloc() for sizes up to SIZE_CLASS_LOOKUP_BYTES_MAX. */
void hosted_fill_classes(void);

#endif
