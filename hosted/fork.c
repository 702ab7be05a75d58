/* SPDX-License-Identifier: MIT */
/*
 * Forks.
 *
 * fork() copies one thread and the memory of all. So the forking thread waits until no other thread
 * is in Quarry, and keeps them out until the copy is made. In the child the other threads do not
 * exist, and their caches are reaped.
 *
 * Handlers. fork() runs the handlers that come before the copy from the last registered to the
 * first, and the others from the first to the last. Quarry registers its handlers at its start,
 * before other libraries. So their handlers run while no thread is kept out: they may allocate, and
 * wait for locks whose holders allocate. Handlers that were registered even earlier, and libc, may
 * allocate too: the forking thread is never kept out.
 *
 * stdio. Between the handlers and the copy fork() takes the lock of the list of streams. A thread
 * that holds it may wait for a stream, whose owner may wait for memory. So the lock is taken here
 * before the other threads are kept out. It is recursive.
 *
 * Signal handlers. A handler may fork although POSIX does not allow it to allocate. If it has
 * interrupted its thread inside Quarry, the thread's own state is fine in the child too, because
 * the thread continues there when the handler returns. The other threads are not kept out then:
 * they may wait for a lock that the interrupted thread holds. The child may not allocate unless
 * there was no other thread. If a handler has interrupted a fork(), its own fork() changes nothing.
 *
 * Source: glibc's fork() takes the locks of its own malloc after the lock of the list of streams.
 */
#include <sys/single_threaded.h>

#include <quarry_arch.h>

#include "hosted/hosted.h"
#include "hosted/libc.h"

static bool streams_locked; /* written by the forking thread */

static void lock_streams(void)
{
    streams_locked = !__libc_single_threaded && _IO_list_lock != NULL;
    if (streams_locked)
        _IO_list_lock();
}

static bool inside_quarry(void)
{
    return hosted_thread.masked != 0 || hosted_thread.locking != 0;
}

static void set_forker(struct hosted_thread *thread)
{
    __atomic_store_n(&hosted_forker, thread, __ATOMIC_SEQ_CST);
}

static void before_fork(void)
{
    if (hosted_thread.forks++ > 0 || inside_quarry())
        return;
    lock_streams();
    hosted_lock(&hosted_bare_lock);
    hosted_lock(&hosted_threads_lock);
    set_forker(&hosted_thread);
    threads_wait_for_others();
    sharing_wait_for_all();
}

/* Whether the outermost fork() ends, and the others were kept out for it. */
static bool end_fork(void)
{
    return --hosted_thread.forks == 0 && hosted_forker == &hosted_thread;
}

static void let_others_in(void)
{
    set_forker(NULL);
    hosted_unlock(&hosted_threads_lock);
    hosted_unlock(&hosted_bare_lock);
}

static void in_parent(void)
{
    if (!end_fork())
        return;
    let_others_in();
    if (streams_locked)
        _IO_list_unlock();
}

static void in_child(void)
{
    if (streams_locked)
        _IO_list_resetlock();
    streams_locked = false;
    background_forget();
    if (end_fork()) {
        sharing_forget_claims();
        let_others_in();
        threads_reap_others();
    } else {
        threads_forget_others();
        if (hosted_forker != &hosted_thread)
            set_forker(NULL);
    }
}

void fork_init(void)
{
    pthread_atfork(before_fork, in_parent, in_child);
}
