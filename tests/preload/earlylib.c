/* SPDX-License-Identifier: MIT */
/*
 * A library that starts before the hosted library, unless that is linked to be first: its
 * constructor registers fork handlers that allocate, and runs a thread that allocates and ends. The
 * thread's stack is large, so libc unmaps it.
 */
#include <pthread.h>
#include <stdlib.h>

#include "tests/preload/earlylib.h"

enum { OBJECTS = 4096 };

unsigned early_handlers_ran;

static void allocate(void)
{
    static void *objects[OBJECTS];
    for (unsigned i = 0; i < OBJECTS; i++)
        objects[i] = malloc(3000);
    for (unsigned i = 0; i < OBJECTS; i++)
        free(objects[i]);
    free(malloc(3 << 20));
    early_handlers_ran++;
}

static void *brief(void *unused)
{
    free(malloc(100));
    return unused;
}

__attribute__((constructor)) static void start(void)
{
    pthread_atfork(allocate, allocate, allocate);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 20);
    pthread_t thread;
    if (pthread_create(&thread, &attributes, brief, NULL) == 0)
        pthread_join(thread, NULL);
}
