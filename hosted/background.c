/* SPDX-License-Identifier: MIT */
/*
 * A thread that returns memory to Linux by time.
 *
 * The scavenger runs in steps, and programs do not call it. Each thread runs a step now and then
 * when its magazines miss, but a program whose magazines always hit may keep the memory of an
 * earlier peak for ever. So a slow path that sees much free memory starts this thread. It runs a
 * step every 100 ms, and ends when little is left. A program that never frees much has no such
 * thread, and the fast path does nothing for it.
 *
 * The environment variable QUARRY_BACKGROUND=0 prevents it.
 *
 * The thread is bare: it has no cache. It has all signals blocked. The child of a fork has no such
 * thread and starts one when it needs it. A child that shares the memory of its parent (vfork)
 * starts none.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <quarry_arch.h>

#include "hosted/hosted.h"
#include "mm/pages/page_heap.h"

#define MUCH_BLOCKS 8u  /* 16 MiB */
#define QUIET_STEPS 10u /* steps with less than that, before the thread ends */
#define STEP_MS 100u
#define STEP_SHORT_MS 5u /* when the last step did not release all that it could */
#define STACK_BYTES ((size_t)128 << 10)

static bool running;  /* atomic */
static bool disabled; /* atomic */
static void (*begin_thread)(void);
static size_t (*run_step)(void);
static pid_t process; /* the process of the thread, or of the last fork */

static bool is_much_free(void)
{
    size_t idle = 0;
    for (unsigned node = 0; node < FRAME_NODES; node++)
        idle += __atomic_load_n(&page_heaps[node].idle_arenas, __ATOMIC_RELAXED);
    return idle + resident_freed_blocks() >= MUCH_BLOCKS;
}

static void wait_ms(unsigned ms)
{
    struct timespec time = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&time, NULL);
}

static bool start_running(void)
{
    bool expected = false;
    return __atomic_compare_exchange_n(&running, &expected, true, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

static void *run(void *unused)
{
    begin_thread();
    do {
        size_t released = 0;
        for (unsigned quiet = 0; quiet < QUIET_STEPS; quiet = is_much_free() ? 0 : quiet + 1) {
            bool more = released >= QUARRY_SCAVENGE_ARENAS_PER_STEP * ARENA_PAGES;
            wait_ms(more ? STEP_SHORT_MS : STEP_MS);
            released = run_step();
        }
        __atomic_store_n(&running, false, __ATOMIC_SEQ_CST);
    } while (is_much_free() && start_running()); /* perhaps no other call sees it */
    return unused;
}

static bool create(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool created = pthread_create(&thread, &attributes, run, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return created;
}

/* Once. The environment is read late: libc sets it up after the first calls. */
static bool is_allowed(void)
{
    static bool asked; /* atomic */
    if (!__atomic_exchange_n(&asked, true, __ATOMIC_ACQ_REL)) {
        const char *setting = getenv("QUARRY_BACKGROUND");
        process = getpid();
        if (setting != NULL && strcmp(setting, "0") == 0)
            __atomic_store_n(&disabled, true, __ATOMIC_RELEASE);
    }
    return !__atomic_load_n(&disabled, __ATOMIC_ACQUIRE);
}

void background_init(void (*begin)(void), size_t (*step)(void))
{
    begin_thread = begin;
    run_step = step;
}

void background_start(void)
{
    if (!is_much_free() || __atomic_load_n(&running, __ATOMIC_RELAXED) || hosted_forker != NULL ||
        !is_allowed() || getpid() != process || !start_running())
        return;
    int error = errno;
    if (!create()) {
        __atomic_store_n(&disabled, true, __ATOMIC_RELEASE);
        __atomic_store_n(&running, false, __ATOMIC_RELEASE);
    }
    errno = error;
}

void background_forget(void)
{
    process = getpid();
    __atomic_store_n(&running, false, __ATOMIC_RELEASE);
}
