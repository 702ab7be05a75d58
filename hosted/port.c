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

bool hosted_forking;

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
