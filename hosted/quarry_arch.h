/* SPDX-License-Identifier: MIT */
/*
 * The inline half of the port (see quarry/port.h) for Linux programs. Each thread is a CPU while
 * there are CPU numbers; further threads share the caches of the machine's CPUs.
 *
 * A thread's block is in its thread-local storage. No other thread accesses it while the thread
 * runs, and POSIX forbids signal handlers to allocate. So pop and push are plain loads and stores,
 * without restarts and without masking. All magazines of a thread without a number are set to the
 * sentinel. They miss, and the thread continues with restartable sequences (restartable.h).
 *
 * In place of masking interrupts, a thread with a number delays forks. fork() copies one thread and
 * the memory of all, so it must not happen while another thread changes shared data (fork.c). A
 * thread without a number claims the current CPU, which delays forks too.
 */
#ifndef QUARRY_ARCH_H
#define QUARRY_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/port.h>

#include "arch/generic/memory.h"
#include "hosted/restartable.h"

enum hosted_state {
    HOSTED_NEW,     /* initial state: all magazines are set to the sentinel */
    HOSTED_LIVE,    /* has a CPU number and a cache of its own */
    HOSTED_SHARING, /* no number was free: it uses the caches of the CPUs that it runs on */
    HOSTED_BARE,    /* cannot share, or ends: no cache, acts as CPU 0 */
};

/* Accessed only by its thread, except `masked`, which a forking thread reads. */
struct hosted_thread {
    struct quarry_cpu block;
    uintptr_t masked; /* atomic: nesting depth of masking */
    unsigned number;
    enum hosted_state state;
    unsigned endings; /* number of runs of the destructor */
    unsigned misses;  /* calls that took the slow path */
    unsigned claimed; /* if HOSTED_SHARING and masked: the machine's CPU that it claims */
    unsigned locking; /* mutexes of hosted/ that it holds or waits for */
    bool no_growth;   /* the heap may not grow for this request: Linux would refuse it */
    unsigned forks;   /* calls of fork() that it is in: more than one by a signal handler */
};

extern __thread struct hosted_thread hosted_thread
    __attribute__((__visibility__("hidden"), tls_model("initial-exec")));

/* The thread for whose fork() all others must stay outside Quarry; NULL: none. Atomic. */
extern struct hosted_thread *hosted_forker;

/* Called while masked and a thread forks: unmasks this thread until the fork is done. Returns at
 * once in the thread that forks. */
void hosted_wait_for_fork(void);

/* For threads in the state HOSTED_SHARING. */
void hosted_claim(void);
void hosted_unclaim(void);
unsigned hosted_shared_number(void);
struct quarry_cpu *hosted_shared_block(void);

static inline bool hosted_is_sharing(void)
{
    return __builtin_expect(hosted_thread.state == HOSTED_SHARING, 0);
}

/* A signal handler may fork at any instruction: a thread that claims a CPU is always masked. */
static inline uintptr_t quarry_port_irq_save(void)
{
    uintptr_t before = hosted_thread.masked;
    /* The forking thread must see this store before this thread reads hosted_forker. */
    __atomic_exchange_n(&hosted_thread.masked, before + 1, __ATOMIC_SEQ_CST);
    if (before == 0 && hosted_is_sharing())
        hosted_claim();
    if (__builtin_expect(before == 0 && __atomic_load_n(&hosted_forker, __ATOMIC_SEQ_CST), 0))
        hosted_wait_for_fork();
    return before;
}

static inline void quarry_port_irq_restore(uintptr_t before)
{
    if (before == 0 && hosted_is_sharing())
        hosted_unclaim();
    __atomic_store_n(&hosted_thread.masked, before, __ATOMIC_RELEASE);
}

/* quarry_alloc() and the others are the C functions of mm/. */
#define QUARRY_PORT_HAS_FAST_PATH 0

/* Yields after some rounds: the thread that holds the lock may be preempted. */
void hosted_pause(void);

static inline void quarry_port_pause(void)
{
    hosted_pause();
}

static inline unsigned quarry_port_cpu_number(void)
{
    return hosted_is_sharing() ? hosted_shared_number() : hosted_thread.number;
}

static inline struct quarry_cpu *quarry_port_cpu(void)
{
    return hosted_is_sharing() ? hosted_shared_block() : &hosted_thread.block;
}

static inline void *quarry_port_pop(size_t magazine)
{
    void **top = hosted_thread.block.top[magazine];
    void *object = *top;
    if (object != NULL)
        hosted_thread.block.top[magazine] = top - 1;
    else if (hosted_is_sharing())
        object = restartable_pop(magazine);
    return object;
}

static inline bool quarry_port_push(size_t magazine, void *object)
{
    void **top = hosted_thread.block.top[magazine];
    if (top[1] == QUARRY_MAGAZINE_END)
        return hosted_is_sharing() && restartable_push(magazine, object);
    top[1] = object;
    hosted_thread.block.top[magazine] = top + 1;
    return true;
}

#endif
