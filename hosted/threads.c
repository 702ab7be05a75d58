/* SPDX-License-Identifier: MIT */
/*
 * Start and end of threads.
 *
 * All magazines of a new thread are set to the sentinel by the initial image of its thread-local
 * storage. So its first call misses, and the slow path assigns a CPU number and brings it online. A
 * thread that finds no free number shares the caches of the machine's CPUs (sharing.c) if it can.
 *
 * When a thread ends, a destructor takes it offline, which moves its cached objects to the transfer
 * caches. Destructors of other keys may allocate as well, so this one asks to be called again as
 * often as POSIX allows, and acts in its last run. Later frees come from destructors of that round
 * and from libc itself, which frees what it keeps for the thread. No call follows them that could
 * take the thread offline, so it is bare then: it has no cache and always takes the slow path.
 */
#include "hosted/hosted.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>

#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "hosted/sizes.h"
#include "lib/atomic.h"
#include "mm/objects/cpu_cache.h"

#define ENDINGS_MAX PTHREAD_DESTRUCTOR_ITERATIONS

/* Threads with a cache of their own. More would waste memory for tables on a small machine. */
#define THREADS_PER_CPU 4u
#define SCAVENGE_MISSES 4096u /* misses between two steps of some thousand instructions each */
#define CHECK_MISSES 64u      /* misses between two checks how much memory is free */

enum { UNSTARTED, STARTING, STARTED };
static int started; /* atomic */

static pthread_key_t ending_key;
static bool ending_key_exists;

static struct quarry_cpu cpu_0;

static size_t step_in_background(void);

/* ---- start ---- */

/* The cache of CPU 0 is never online, so this thread caches nothing. */
static void become_bare(void)
{
    hosted_thread.number = 0;
    hosted_thread.block.cache = cpu_cache_of(0);
    hosted_thread.state = HOSTED_BARE;
}

static void go_offline(void)
{
    quarry_cpu_offline();
    threads_number_free(hosted_thread.number);
    for (unsigned i = 0; i < QUARRY_MAGAZINES; i++)
        hosted_thread.block.top[i] = hosted_sentinel;
    become_bare();
}

/* A thread has a cache only if a destructor will take it away. The destructor's value may need
 * memory, so the thread is live first. */
static void become_live(void)
{
    unsigned number = ending_key_exists ? threads_number_alloc() : 0;
    hosted_thread.number = number;
    if (number != 0 && quarry_cpu_online(number) == QUARRY_OK) {
        hosted_thread.state = HOSTED_LIVE;
        if (pthread_setspecific(ending_key, &hosted_thread) != 0)
            go_offline();
        return;
    }
    if (number != 0)
        threads_number_free(number);
    if (sharing_works())
        hosted_thread.state = HOSTED_SHARING;
    else
        become_bare();
}

/* ---- end ---- */

static void end(void *unused)
{
    (void)unused;
    if (hosted_thread.state != HOSTED_LIVE)
        return;
    if (++hosted_thread.endings < ENDINGS_MAX &&
        pthread_setspecific(ending_key, &hosted_thread) == 0)
        return;
    go_offline();
}

/* ---- the first call ---- */

static unsigned threads_with_caches(unsigned sharable)
{
    if (sharable == 0)
        return HOSTED_THREADS_MAX;
    return (unsigned)min_u64(HOSTED_THREAD_CACHES, THREADS_PER_CPU * sharable);
}

static void start(void)
{
    struct hosted_memory memory = hosted_memory_map();
    const struct quarry_memory_region regions[] = {memory.tables, memory.heap};
    unsigned sharable = sharing_count();
    unsigned first_shared = threads_numbers_init(threads_with_caches(sharable));
    const struct quarry_setup setup = {
        .regions = regions,
        .region_count = sizeof regions / sizeof regions[0],
        .direct_map = memory.direct_map,
        .cpus = first_shared + sharable,
        .memory_idle = hosted_memory_idle,
        .memory_needed = hosted_memory_needed,
    };
    if (quarry_init(&setup) != QUARRY_OK)
        quarry_port_panic("quarry: cannot initialise the heap");
    cpu_cache_of(0)->block = &cpu_0;
    if (sharable > 0)
        sharing_begin(first_shared);
    hosted_sizes_init();
    ending_key_exists = pthread_key_create(&ending_key, end) == 0;
    background_init(become_bare, step_in_background);
    fork_init();
}

static SLOW void begin(void)
{
    int expected = UNSTARTED;
    if (atomic_load_acquire(&started) != STARTED) {
        if (atomic_compare_swap(&started, &expected, STARTING)) {
            start();
            atomic_store_release(&started, STARTED);
        }
        while (atomic_load_acquire(&started) != STARTED)
            sched_yield();
    }
    become_live();
}

void hosted_enter(void)
{
    if (unlikely(hosted_thread.state == HOSTED_NEW))
        begin();
    if (hosted_is_sharing())
        sharing_enter();
    if (unlikely(hosted_thread.state == HOSTED_BARE))
        hosted_lock(&hosted_bare_lock);
}

static size_t step(void)
{
    resident_step();
    return quarry_scavenge_step();
}

/* Programs do not call the scavenger, so every thread runs a step now and then. */
static SLOW void scavenge_sometimes(void)
{
    if (hosted_thread.misses % SCAVENGE_MISSES == 0)
        step();
}

void hosted_leave(void)
{
    bool check = ++hosted_thread.misses % CHECK_MISSES == 0;
    if (check)
        scavenge_sometimes();
    if (unlikely(hosted_thread.state == HOSTED_BARE))
        hosted_unlock(&hosted_bare_lock);
    if (check)
        background_start();
}

/* A step in a thread of its own. */
static size_t step_in_background(void)
{
    hosted_enter();
    size_t released = step();
    hosted_leave();
    return released;
}

/* Also registers the handlers of fork(), before other libraries register theirs: the library is
 * linked so that this runs first. */
__attribute__((constructor)) static void start_early(void)
{
    hosted_enter();
    hosted_leave();
}
