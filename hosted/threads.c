/* SPDX-License-Identifier: MIT */
/*
 * Start and end of threads, and forks.
 *
 * All magazines of a new thread are set to the sentinel by the initial image of its thread-local
 * storage. So its first call misses, and the slow path assigns a CPU number and brings it online.
 * When the thread ends, a destructor takes it offline, which moves its cached objects to the
 * transfer caches. Destructors that run later may allocate; then the thread goes online again, and
 * its destructor runs again. POSIX limits these repetitions. In the last one the thread becomes
 * bare: it has no cache and always takes the slow path. A thread that finds no free number shares
 * the caches of the machine's CPUs (sharing.c) if it can.
 *
 * fork(): the forking thread waits until no other thread is in Quarry. The other threads do not
 * exist in the child, so the child reaps their caches.
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

#define ENDINGS_MAX (PTHREAD_DESTRUCTOR_ITERATIONS - 1)

/* Threads with a cache of their own. More would waste memory for tables on a small machine. */
#define THREADS_PER_CPU 4u
#define SCAVENGE_MISSES 4096u /* misses between two steps of some thousand instructions each */

enum { UNSTARTED, STARTING, STARTED };
static int started; /* atomic */

static pthread_key_t ending_key;
static bool ending_key_exists;

/* Guards the following variables. Held for a few instructions, never across a call of Quarry. */
static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hosted_thread *threads[1 + HOSTED_THREADS_MAX]; /* by number; 0 is unused */
static unsigned threads_end; /* the highest number of a thread plus 1; set once */
static struct quarry_cpu cpu_0;

/* Held by a bare thread while it is in Quarry, and by a forking thread. */
static pthread_mutex_t bare_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- numbers ---- */

/* Returns 0 if no number is free. */
static unsigned number_alloc(struct hosted_thread *thread)
{
    unsigned found = 0;
    pthread_mutex_lock(&threads_lock);
    for (unsigned number = 1; number < threads_end && found == 0; number++)
        if (threads[number] == NULL)
            found = number;
    if (found != 0)
        threads[found] = thread;
    pthread_mutex_unlock(&threads_lock);
    return found;
}

static void number_free(unsigned number)
{
    pthread_mutex_lock(&threads_lock);
    threads[number] = NULL;
    pthread_mutex_unlock(&threads_lock);
}

/* ---- start ---- */

/* The cache of CPU 0 is never online, so this thread caches nothing. */
static void become_bare(void)
{
    hosted_thread.number = 0;
    hosted_thread.block.cache = cpu_cache_of(0);
    hosted_thread.state = HOSTED_BARE;
}

static void become_sharing(void)
{
    hosted_thread.state = HOSTED_SHARING;
}

static void become_live(void)
{
    unsigned number = number_alloc(&hosted_thread);
    hosted_thread.number = number;
    if (number != 0 && quarry_cpu_online(number) == QUARRY_OK) {
        hosted_thread.state = HOSTED_LIVE;
        if (ending_key_exists)
            pthread_setspecific(ending_key, &hosted_thread);
        return;
    }
    if (number != 0)
        number_free(number);
    if (sharing_works())
        become_sharing();
    else
        become_bare();
}

static unsigned threads_with_caches(unsigned sharable)
{
    if (sharable == 0)
        return HOSTED_THREADS_MAX;
    return (unsigned)min_u64(HOSTED_THREAD_CACHES, THREADS_PER_CPU * sharable);
}

static void start(void)
{
    static const struct quarry_memory_region memory = {HOSTED_FIRST_BYTE,
                                                       HOSTED_MEMORY_BYTES - HOSTED_FIRST_BYTE,
                                                       QUARRY_MEMORY_USABLE};
    unsigned sharable = sharing_count();
    threads_end = 1 + threads_with_caches(sharable);
    const struct quarry_setup setup = {
        .regions = &memory,
        .region_count = 1,
        .direct_map = hosted_direct_map(),
        .cpus = threads_end + sharable,
        .memory_idle = hosted_memory_idle,
    };
    if (quarry_init(&setup) != QUARRY_OK)
        quarry_port_panic("quarry: cannot initialise the heap");
    cpu_cache_of(0)->block = &cpu_0;
    if (sharable > 0)
        sharing_begin(threads_end);
    hosted_sizes_init();
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
        pthread_mutex_lock(&bare_lock);
}

/* Programs do not call the scavenger, so every thread runs a step now and then. */
static void scavenge_sometimes(void)
{
    if (++hosted_thread.misses % SCAVENGE_MISSES == 0)
        quarry_scavenge_step();
}

void hosted_leave(void)
{
    scavenge_sometimes();
    if (unlikely(hosted_thread.state == HOSTED_BARE))
        pthread_mutex_unlock(&bare_lock);
}

/* ---- end ---- */

static void end(void *unused)
{
    (void)unused;
    if (hosted_thread.state != HOSTED_LIVE)
        return;
    unsigned number = hosted_thread.number;
    quarry_cpu_offline();
    number_free(number);
    for (unsigned i = 0; i < QUARRY_MAGAZINES; i++)
        hosted_thread.block.top[i] = hosted_sentinel;
    hosted_thread.state = HOSTED_NEW;
    if (++hosted_thread.endings >= ENDINGS_MAX)
        become_bare();
}

/* ---- fork ---- */

static void before_fork(void)
{
    pthread_mutex_lock(&bare_lock);
    pthread_mutex_lock(&threads_lock);
    __atomic_store_n(&hosted_forking, true, __ATOMIC_SEQ_CST);
    for (unsigned number = 1; number < threads_end; number++)
        while (threads[number] != NULL && threads[number] != &hosted_thread &&
               __atomic_load_n(&threads[number]->masked, __ATOMIC_SEQ_CST) != 0)
            sched_yield();
    sharing_wait_for_all();
}

static void in_parent(void)
{
    __atomic_store_n(&hosted_forking, false, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&threads_lock);
    pthread_mutex_unlock(&bare_lock);
}

static void in_child(void)
{
    in_parent();
    for (unsigned number = 1; number < threads_end; number++) {
        if (threads[number] == NULL || threads[number] == &hosted_thread)
            continue;
        quarry_cpu_reap(number);
        number_free(number);
    }
}

__attribute__((constructor)) static void register_handlers(void)
{
    hosted_enter();
    hosted_leave();
    ending_key_exists = pthread_key_create(&ending_key, end) == 0;
    pthread_atfork(before_fork, in_parent, in_child);
}
