/* SPDX-License-Identifier: MIT */
/*
 * The inline half of the port (see quarry/port.h) for Linux programs: each thread is a CPU, as far
 * as there are numbers; further threads share the caches of the machine's CPUs.
 *
 * A thread's block stands in its thread-local storage. Nobody else touches it while the thread
 * lives, and POSIX forbids signal handlers to allocate: so a pop and a push are plain loads and
 * stores, without restarts and without masking. A thread without a number has all its stacks at
 * the door, misses, and goes on by restartable sequences (restartable.h).
 *
 * What stands for masked interrupts: a thread with a number has nobody to fear, but as long as it
 * has them masked the process does not fork. A fork copies one thread and the memory of all; so it
 * must not come while another thread is in the middle of something (threads.c). One without claims
 * the CPU, which does the same.
 */
#ifndef QUARRY_ARCH_H
#define QUARRY_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <quarry/port.h>

#include "hosted/restartable.h"

enum hosted_state {
    HOSTED_NEW,     /* the block is as the program's image has it: all stacks at the door */
    HOSTED_LIVE,    /* a CPU of Quarry's, with a number of its own */
    HOSTED_SHARING, /* no number was left: it uses the caches of the CPUs that it runs on */
    HOSTED_BARE,    /* nor do sequences restart, or the thread is nearly gone: no cache, as CPU 0 */
};

/* Its thread's, but for `masked`, which a forking thread reads as well. */
struct hosted_thread {
    struct quarry_cpu block;
    uintptr_t masked; /* atomic: maskings not yet undone */
    unsigned number;
    enum hosted_state state;
    unsigned endings; /* how often its destructor ran */
    unsigned misses;  /* calls that went by the slow paths */
    unsigned claimed; /* HOSTED_SHARING and masked: the machine's CPU that it has */
};

extern __thread struct hosted_thread hosted_thread
    __attribute__((__visibility__("hidden"), tls_model("initial-exec")));

void hosted_wait_for_fork(void);
extern bool hosted_forking; /* atomic */

/* For HOSTED_SHARING. */
void hosted_claim(void);
void hosted_unclaim(void);
unsigned hosted_shared_number(void);
struct quarry_cpu *hosted_shared_block(void);

static inline bool hosted_is_sharing(void)
{
    return __builtin_expect(hosted_thread.state == HOSTED_SHARING, 0);
}

static inline uintptr_t quarry_port_irq_save(void)
{
    uintptr_t before = hosted_thread.masked;
    if (before == 0 && hosted_is_sharing())
        hosted_claim();
    /* Seen by the forking thread before this one looks whether there is one. */
    __atomic_exchange_n(&hosted_thread.masked, before + 1, __ATOMIC_SEQ_CST);
    if (__builtin_expect(before == 0 && __atomic_load_n(&hosted_forking, __ATOMIC_SEQ_CST), 0))
        hosted_wait_for_fork();
    return before;
}

static inline void quarry_port_irq_restore(uintptr_t before)
{
    __atomic_store_n(&hosted_thread.masked, before, __ATOMIC_RELEASE);
    if (before == 0 && hosted_is_sharing())
        hosted_unclaim();
}

/* quarry_alloc() and its like are Quarry's own, in C. */
#define QUARRY_PORT_HAS_FAST_PATH 0

/* A lock's holder may be asleep: after some rounds its turn comes first. */
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

static inline void *quarry_port_pop(size_t stack)
{
    void **top = hosted_thread.block.top[stack];
    void *object = *top;
    if (object != NULL)
        hosted_thread.block.top[stack] = top - 1;
    else if (hosted_is_sharing())
        object = restartable_pop(stack);
    return object;
}

static inline bool quarry_port_push(size_t stack, void *object)
{
    void **top = hosted_thread.block.top[stack];
    if (top[1] == QUARRY_MAGAZINE_END)
        return hosted_is_sharing() && restartable_push(stack, object);
    top[1] = object;
    hosted_thread.block.top[stack] = top + 1;
    return true;
}

static inline void quarry_port_copy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}

static inline void quarry_port_fill(void *at, unsigned char value, size_t bytes)
{
    memset(at, value, bytes);
}

static inline void quarry_port_clear(void *at, size_t bytes)
{
    memset(at, 0, bytes);
}

#endif
