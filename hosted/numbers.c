/* SPDX-License-Identifier: MIT */
/* The table of threads with a cache, by CPU number; see hosted.h. */
#include <sched.h>

#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "hosted/hosted.h"

static struct hosted_thread *threads[1 + HOSTED_THREADS_MAX]; /* 0 is unused */
static unsigned threads_end; /* the highest number of a thread plus 1; set once */

/* The owner of a number whose thread does not exist in this process. */
static struct hosted_thread lost_thread;

unsigned threads_numbers_init(unsigned count)
{
    threads_end = 1 + count;
    return threads_end;
}

unsigned threads_number_alloc(void)
{
    unsigned found = 0;
    hosted_lock(&hosted_threads_lock);
    for (unsigned number = 1; number < threads_end && found == 0; number++)
        if (threads[number] == NULL)
            found = number;
    if (found != 0)
        threads[found] = &hosted_thread;
    hosted_unlock(&hosted_threads_lock);
    return found;
}

void threads_number_free(unsigned number)
{
    hosted_lock(&hosted_threads_lock);
    threads[number] = NULL;
    hosted_unlock(&hosted_threads_lock);
}

/* ---- fork ---- */

static bool is_another(unsigned number)
{
    return threads[number] != NULL && threads[number] != &hosted_thread;
}

void threads_wait_for_others(void)
{
    for (unsigned number = 1; number < threads_end; number++)
        while (is_another(number) &&
               __atomic_load_n(&threads[number]->masked, __ATOMIC_SEQ_CST) != 0)
            sched_yield();
}

void threads_reap_others(void)
{
    for (unsigned number = 1; number < threads_end; number++) {
        if (!is_another(number) || threads[number] == &lost_thread)
            continue;
        quarry_cpu_reap(number);
        threads_number_free(number);
    }
}

void threads_forget_others(void)
{
    for (unsigned number = 1; number < threads_end; number++)
        if (is_another(number))
            threads[number] = &lost_thread;
}
