/* SPDX-License-Identifier: MIT */
/*
 * A test program for the hosted library: forks, and ends of threads before a fork. A fork that
 * waits for a lock that is never released is killed, which is a failure.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "tests/preload/test.h"

#define BIG_STACK (64u << 20) /* libc does not keep such a stack when its thread ends */

static void *end(void *unused)
{
    return unused;
}

/* Forks; the child allocates and starts a thread. Returns whether it ends well. */
static bool fork_works(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (size_t bytes = 8; bytes < 5000000; bytes *= 3)
            call_free(call_malloc(bytes));
        pthread_t thread;
        if (pthread_create(&thread, NULL, end, NULL) != 0)
            _exit(1);
        pthread_join(thread, NULL);
        _exit(0);
    }
    int status = -1;
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static void run_thread(void *(*function)(void *), size_t stack_bytes)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_t thread;
    EXPECT(pthread_create(&thread, &attributes, function, NULL) == 0);
    pthread_join(thread, NULL);
}

/* ---- libc frees what it keeps for a thread after all destructors ---- */

static pthread_key_t far_key; /* its value is in a table that libc allocates */

static void *keeps_error_text(void *unused)
{
    call_free(call_malloc(100));
    volatile char first = *strerror(123456);
    (void)first;
    return unused;
}

static void *keeps_loader_error(void *unused)
{
    call_free(call_malloc(100));
    dlopen("/does/not/exist.so", RTLD_NOW);
    return unused;
}

static void *keeps_key_table(void *unused)
{
    call_free(call_malloc(100));
    pthread_setspecific(far_key, &far_key);
    return unused;
}

static void after_late_frees(void)
{
    for (unsigned i = 0; i < 40; i++)
        pthread_key_create(&far_key, NULL);
    run_thread(keeps_error_text, BIG_STACK);
    EXPECT(fork_works());
    run_thread(keeps_loader_error, BIG_STACK);
    EXPECT(fork_works());
    run_thread(keeps_key_table, BIG_STACK);
    EXPECT(fork_works());
}

static void late_frees(void)
{
    EXPECT(child_survives(after_late_frees));
}

/* ---- many threads, one after another ---- */

static void *allocates_much(void *unused)
{
    void *objects[20];
    for (size_t bytes = 16; bytes < 100000; bytes = bytes * 3 / 2) {
        for (unsigned i = 0; i < 20; i++)
            objects[i] = memset(call_malloc(bytes), 1, bytes);
        for (unsigned i = 0; i < 20; i++)
            call_free(objects[i]);
    }
    return keeps_error_text(unused);
}

static void after_many_threads(void)
{
    for (unsigned i = 0; i < 200; i++)
        run_thread(allocates_much, i % 2 ? 1u << 20 : BIG_STACK);
    EXPECT(fork_works());
}

static void many_threads(void)
{
    EXPECT(child_survives(after_many_threads));
}

/* ---- fork() and stdio ---- */

enum { READERS = 4, STREAM_FORKS = 200 };

static bool streams_end; /* atomic */

/* getline() allocates while it holds the stream. */
static void *reads_lines(void *unused)
{
    FILE *file = tmpfile();
    for (unsigned i = 0; i < 50000; i++)
        fputc('x', file);
    fputc('\n', file);
    fflush(file);
    while (!__atomic_load_n(&streams_end, __ATOMIC_ACQUIRE)) {
        char *line = NULL;
        size_t bytes = 0;
        rewind(file);
        EXPECT(getline(&line, &bytes, file) == 50001);
        call_free(line);
        usleep(20); /* else the other threads seldom get the stream */
    }
    fclose(file);
    return unused;
}

/* Holds the lock of the list of streams while it waits for a stream. */
static void *flushes_all(void *unused)
{
    while (!__atomic_load_n(&streams_end, __ATOMIC_ACQUIRE)) {
        fflush(NULL);
        usleep(200); /* else fork() seldom gets the list */
    }
    return unused;
}

static void forks_among_streams(void)
{
    pthread_t threads[READERS + 1];
    for (unsigned i = 0; i < READERS; i++)
        EXPECT(pthread_create(&threads[i], NULL, reads_lines, NULL) == 0);
    EXPECT(pthread_create(&threads[READERS], NULL, flushes_all, NULL) == 0);
    for (unsigned i = 0; i < STREAM_FORKS; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        EXPECT(pid > 0 && waitpid(pid, NULL, 0) == pid);
    }
    __atomic_store_n(&streams_end, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i <= READERS; i++)
        pthread_join(threads[i], NULL);
}

static void streams(void)
{
    EXPECT(child_survives(forks_among_streams));
}

/* ---- fork() in a signal handler that interrupted malloc() or fork() ---- */

static volatile unsigned signal_forks;

static void fork_in_handler(int signal)
{
    (void)signal;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    signal_forks++;
}

static void interrupted(void)
{
    struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
    sigaction(SIGPROF, &action, NULL);
    struct itimerval often = {{0, 1100}, {0, 1100}};
    struct itimerval never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_PROF, &often, NULL);
    void *objects[64] = {NULL};
    for (unsigned i = 0; signal_forks < 150; i++) {
        unsigned slot = i * 7 % 64;
        call_free(objects[slot]);
        objects[slot] = call_malloc(i * 7919u % 60000);
        if (i % 7 != 0)
            continue;
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        while (waitpid(pid, NULL, 0) < 0)
            continue;
    }
    setitimer(ITIMER_PROF, &never, NULL);
    EXPECT(fork_works());
}

static void signal_handlers(void)
{
    EXPECT(child_survives(interrupted));
}

int main(void)
{
    alarm(250);
    run("fork: late frees of libc", late_frees);
    run("fork: many threads", many_threads);
    run("fork: streams", streams);
    run("fork: signal handlers", signal_handlers);
    return finish();
}
