/* SPDX-License-Identifier: MIT */
/*
 * Quarry as the malloc of Linux programs: declarations that its files share.
 *
 *     malloc.c       the functions that programs call
 *     sizes.c        sizes and cache ids
 *     port.c         the out-of-line half of the port: thread state, claims of CPUs
 *     threads.c      start and end of threads
 *     numbers.c      the table of threads with a cache
 *     fork.c         forks
 *     sharing.c      threads without a cache of their own use the caches of the machine's CPUs
 *     restartable.c  the restartable sequences by which they pop and push
 *     memory.c       the address space that serves as physical memory, and the stop
 *     resident.c     which memory of large objects returns to Linux, and when
 *     background.c   a thread that returns memory by time
 */
#ifndef HOSTED_HOSTED_H
#define HOSTED_HOSTED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/port.h>

#define SLOW __attribute__((__noinline__, __cold__))

/*
 * Quarry's CPU numbers: 0 belongs to no thread. Then threads with a cache of their own: up to
 * HOSTED_THREAD_CACHES if further threads can share the caches of the machine's CPUs, up to
 * HOSTED_THREADS_MAX if not. Then the machine's CPUs. A thread's own cache is faster, but holds up
 * to 2 MiB.
 */
#ifndef HOSTED_THREAD_CACHES
#define HOSTED_THREAD_CACHES 32
#endif
#define HOSTED_THREADS_MAX 127u
#define HOSTED_SHARED_CPUS_MAX 128u

_Static_assert(HOSTED_THREAD_CACHES >= 0 && HOSTED_THREAD_CACHES <= HOSTED_THREADS_MAX, "numbers");

/* What serves as physical memory. The first region is for tables. */
struct hosted_memory {
    uintptr_t direct_map;
    struct quarry_memory_region tables;
    struct quarry_memory_region heap;
};

/* Called once. Stops if there is no address space. */
struct hosted_memory hosted_memory_map(void);

/* setup.memory_needed. */
bool hosted_memory_needed(void *start, size_t bytes);

/* Before a request for `bytes`. If Linux has not so much, the request may only get what the heap
 * has. Otherwise the heap would grow up to the limit of the process and the request fail. After the
 * request: with 0. */
void hosted_memory_expect(size_t bytes);

/* Physical addresses end here, or below if the process is limited. */
#define HOSTED_MEMORY_BYTES ((uint64_t)64 << 30)

/* The frame allocator saves the first 64 MiB for devices. They are not mapped. */
#define HOSTED_FIRST_BYTE ((uint64_t)64 << 20)

/* Called before and after every function of Quarry except pop and push. Between the two calls
 * Quarry is initialised and the thread has a state other than HOSTED_NEW. */
void hosted_enter(void);
void hosted_leave(void);

/* ---- large objects: what is resident (resident.c) ---- */

/* Pages of an object of 2 MiB or more. */
struct resident_pages {
    size_t first;
    size_t count;
};

/* Returns the memory to Linux until the next write to it. setup.memory_idle. */
void hosted_memory_idle(void *start, size_t bytes);

/* The pages of a large object; no pages for any other address. A hint if no object begins there. */
struct resident_pages resident_pages_of(const void *object);

/* The object was allocated or grew; these pages were freed. */
void resident_allocated(const void *object);
void resident_freed(struct resident_pages pages);

/* Before resident_allocated(): sets the bytes of a new large object to 0. */
void resident_clear(void *object, size_t bytes);

/* Returns freed pages of large objects to Linux: those that were freed some steps ago, or all of
 * them. Returns the number of 2 MiB blocks. */
void resident_step(void);
size_t resident_return_freed(void);

/* Blocks that may be returned. */
unsigned resident_freed_blocks(void);

/* ---- the thread that returns memory (background.c) ---- */

/* The thread calls `begin` first, and `step` for each step: it returns the number of frames that
 * were released. */
void background_init(void (*begin)(void), size_t (*step)(void));

/* Starts the thread if there is much to return, and it does not run. No lock is held. */
void background_start(void);

/* In the child of a fork, which has no such thread. */
void background_forget(void);

/* ---- threads and forks ---- */

/* A mutex of hosted/: taken and released by these, except in the thread that forks, which holds all
 * of them. */
void hosted_lock(pthread_mutex_t *mutex);
void hosted_unlock(pthread_mutex_t *mutex);

/* Held by a bare thread while it is in Quarry, and by a forking thread. */
extern pthread_mutex_t hosted_bare_lock;

/* Guards the table of threads. Held for a few instructions, never across a call of Quarry. */
extern pthread_mutex_t hosted_threads_lock;

/* Before the first call of malloc() returns: `count` threads can have a cache. Returns the first
 * number behind theirs. */
unsigned threads_numbers_init(unsigned count);

/* A number for this thread; 0 if none is free. */
unsigned threads_number_alloc(void);
void threads_number_free(unsigned number);

/* Waits until all threads with a number but this one are outside Quarry. hosted_threads_lock is
 * held, and hosted_forker is this thread. */
void threads_wait_for_others(void);

/* In the child: frees the numbers of the other threads and reaps their caches. */
void threads_reap_others(void);

/* In a child that was forked inside Quarry: the numbers and caches of other threads are lost. */
void threads_forget_others(void);

/* Before the first thread has a cache. */
void fork_init(void);

/* ---- state of the port (port.c) ---- */

/* A magazine that is always both empty and full. */
extern void *hosted_sentinel[2];

/* The blocks of the machine's CPUs. CPU i is Quarry's CPU hosted_first_shared + i. */
struct hosted_shared {
    struct quarry_cpu block;
} __attribute__((__aligned__(64))); /* separate cache lines */

extern struct hosted_shared hosted_shared[HOSTED_SHARED_CPUS_MAX];
extern unsigned hosted_first_shared;

/* ---- sharing ---- */

/* The number of the machine's CPUs; 0 if Linux does not restart sequences. */
unsigned sharing_count(void);

/* After quarry_init(): the machine's CPUs become Quarry's CPUs from `first_number` on. All their
 * magazines are set to the sentinel. */
void sharing_begin(unsigned first_number);

/* Whether this thread can share. */
bool sharing_works(void);

/* Brings the cache of the current CPU online if it is not. */
void sharing_enter(void);

/* Waits until no thread claims a CPU. hosted_forker is this thread. */
void sharing_wait_for_all(void);

/* In the child of a fork: no thread claims a CPU. */
void sharing_forget_claims(void);

#endif
