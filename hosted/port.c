/* SPDX-License-Identifier: MIT */
/* The out-of-line half of the port: thread state, claims of CPUs, waiting; see quarry_arch.h. */
#include <sched.h>

#include <quarry_arch.h>

#include "hosted/hosted.h"
#include "lib/atomic.h"

/* Rounds of waiting between two yields. */
#define CLAIM_ROUNDS 16u
#define PAUSE_ROUNDS 64u

void *hosted_sentinel[2] = {NULL, QUARRY_MAGAZINE_END};

__thread struct hosted_thread hosted_thread = {
    .block = {.top = {[0 ... QUARRY_MAGAZINES - 1] = hosted_sentinel}},
};

struct hosted_thread *hosted_forker;

struct hosted_shared hosted_shared[HOSTED_SHARED_CPUS_MAX];
unsigned hosted_first_shared;

void hosted_pause(void)
{
    static __thread unsigned rounds __attribute__((tls_model("initial-exec")));
    if (++rounds % PAUSE_ROUNDS == 0)
        sched_yield();
    else
        __builtin_ia32_pause();
}

/* ---- locks ---- */

pthread_mutex_t hosted_threads_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_mutex_t hosted_bare_lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_forker(void)
{
    return __atomic_load_n(&hosted_forker, __ATOMIC_RELAXED) == &hosted_thread;
}

void hosted_lock(pthread_mutex_t *mutex)
{
    if (is_forker())
        return;
    hosted_thread.locking++; /* first: a signal handler must not wait for this thread */
    pthread_mutex_lock(mutex);
}

void hosted_unlock(pthread_mutex_t *mutex)
{
    if (is_forker())
        return;
    pthread_mutex_unlock(mutex);
    hosted_thread.locking--;
}

/* ---- claims ---- */

void hosted_claim(void)
{
    int cpu;
    for (unsigned round = 1; (cpu = restartable_claim()) == RESTARTABLE_BUSY; round++) {
        if (round % CLAIM_ROUNDS == 0)
            sched_yield(); /* the claiming thread may be waiting for this CPU */
        else
            quarry_port_pause();
    }
    hosted_thread.claimed = (unsigned)cpu;
}

void hosted_unclaim(void)
{
    restartable_set(hosted_thread.claimed, &hosted_shared[hosted_thread.claimed].block);
}

static unsigned cpu_here(void)
{
    return hosted_thread.masked > 0 ? hosted_thread.claimed : restartable_cpu();
}

unsigned hosted_shared_number(void)
{
    return hosted_first_shared + cpu_here();
}

struct quarry_cpu *hosted_shared_block(void)
{
    return &hosted_shared[cpu_here()].block;
}

/* ---- fork ---- */

static bool another_forks(void)
{
    const struct hosted_thread *forker = __atomic_load_n(&hosted_forker, __ATOMIC_SEQ_CST);
    return forker != NULL && forker != &hosted_thread;
}

void hosted_wait_for_fork(void)
{
    while (another_forks()) {
        if (hosted_is_sharing())
            hosted_unclaim();
        __atomic_store_n(&hosted_thread.masked, 0, __ATOMIC_SEQ_CST);
        while (another_forks())
            sched_yield();
        __atomic_exchange_n(&hosted_thread.masked, 1, __ATOMIC_SEQ_CST);
        if (hosted_is_sharing())
            hosted_claim();
    }
}
