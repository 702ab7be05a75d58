/* SPDX-License-Identifier: MIT */
/*
 * Threads that come and go, and forks.
 *
 * A new thread's stacks are all at the door, by the image of its thread-local storage, so its
 * first call misses, and a miss is where it is given a number and goes online. When it ends, a
 * destructor takes it offline, and what its cache held goes to the others. Destructors that run
 * later may allocate again; then it goes online again, and its own destructor runs again, as
 * often as POSIX repeats them, less one. After that it stays bare: no cache, all by slow paths.
 * A thread that finds no number shares the caches of the CPUs (sharing.c), if it can.
 *
 * fork(): the thread that forks waits until no other is within Quarry. In the child the others
 * are gone, without notice: their caches are adopted.
 */
#include "hosted/hosted.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>

#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "lib/atomic.h"
#include "mm/objects/cpu_cache.h"

#define ENDINGS_MAX (PTHREAD_DESTRUCTOR_ITERATIONS - 1)
#define ROUNDS_AWAKE 64u

/* With a cache of their own: tables for more would be wasted on a small machine. */
#define THREADS_PER_CPU 4u
#define SCAVENGE_MISSES 4096u /* a step is some thousand instructions */

static void *door[2] = {NULL, QUARRY_MAGAZINE_END};

__thread struct hosted_thread hosted_thread = {
    .block = {.top = {[0 ... QUARRY_MAGAZINES - 1] = door}},
};

bool hosted_forking;

enum { UNSTARTED, STARTING, STARTED };
static int started; /* atomic */

static pthread_key_t ending_key;
static bool ending_key_exists;

/* Guards what follows. It is held for a few instructions, but never across Quarry's own. */
static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hosted_thread *threads[1 + HOSTED_THREADS_MAX]; /* by number; 0 is nobody's */
static unsigned threads_end; /* above the highest number of a thread; set once */
static struct quarry_cpu nobody;

/* Held by a bare thread while it is within Quarry, and by one that forks. */
static pthread_mutex_t bare_lock = PTHREAD_MUTEX_INITIALIZER;

void hosted_pause(void)
{
    static __thread unsigned rounds __attribute__((tls_model("initial-exec")));
    if (++rounds % ROUNDS_AWAKE == 0)
        sched_yield();
    else
        __builtin_ia32_pause();
}

/* ---- numbers ---- */

/* 0 when there is none left. */
static unsigned number_take(struct hosted_thread *thread)
{
    unsigned taken = 0;
    pthread_mutex_lock(&threads_lock);
    for (unsigned number = 1; number < threads_end && taken == 0; number++)
        if (threads[number] == NULL)
            taken = number;
    if (taken != 0)
        threads[taken] = thread;
    pthread_mutex_unlock(&threads_lock);
    return taken;
}

static void number_give(unsigned number)
{
    pthread_mutex_lock(&threads_lock);
    threads[number] = NULL;
    pthread_mutex_unlock(&threads_lock);
}

/* ---- beginning ---- */

/* CPU 0's cache is never online: whoever has it caches nothing. */
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
    unsigned number = number_take(&hosted_thread);
    hosted_thread.number = number;
    if (number != 0 && quarry_cpu_online(number) == QUARRY_OK) {
        hosted_thread.state = HOSTED_LIVE;
        if (ending_key_exists)
            pthread_setspecific(ending_key, &hosted_thread);
        return;
    }
    if (number != 0)
        number_give(number);
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
                                                       HOSTED_WINDOW_BYTES - HOSTED_FIRST_BYTE,
                                                       QUARRY_MEMORY_USABLE};
    unsigned sharable = sharing_count();
    threads_end = 1 + threads_with_caches(sharable);
    const struct quarry_setup setup = {
        .regions = &memory,
        .region_count = 1,
        .direct_map = hosted_window(),
        .cpus = threads_end + sharable,
        .memory_idle = hosted_memory_idle,
    };
    if (quarry_init(&setup) != QUARRY_OK)
        quarry_port_panic("quarry: the heap could not be set up");
    cpu_cache_of(0)->block = &nobody;
    if (sharable > 0)
        sharing_begin(threads_end, door);
    hosted_fill_classes();
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

/* A thread that runs long enough does the scavenger's work, so that nobody has to be asked to. */
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

/* ---- ending ---- */

static void end(void *unused)
{
    (void)unused;
    if (hosted_thread.state != HOSTED_LIVE)
        return;
    unsigned number = hosted_thread.number;
    quarry_cpu_offline();
    number_give(number);
    for (unsigned i = 0; i < QUARRY_MAGAZINES; i++)
        hosted_thread.block.top[i] = door;
    hosted_thread.state = HOSTED_NEW;
    if (++hosted_thread.endings >= ENDINGS_MAX)
        become_bare();
}

/* ---- fork ---- */

void hosted_wait_for_fork(void)
{
    while (atomic_load_acquire(&hosted_forking)) {
        __atomic_store_n(&hosted_thread.masked, 0, __ATOMIC_SEQ_CST);
        if (hosted_is_sharing())
            hosted_unclaim();
        while (atomic_load_acquire(&hosted_forking))
            sched_yield();
        if (hosted_is_sharing())
            hosted_claim();
        __atomic_store_n(&hosted_thread.masked, 1, __ATOMIC_SEQ_CST);
    }
}

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
        number_give(number);
    }
}

__attribute__((constructor)) static void register_handlers(void)
{
    hosted_enter();
    hosted_leave();
    ending_key_exists = pthread_key_create(&ending_key, end) == 0;
    pthread_atfork(before_fork, in_parent, in_child);
}
