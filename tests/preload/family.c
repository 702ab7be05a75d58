/* SPDX-License-Identifier: MIT */
/*
 * A test program for the hosted library: the malloc family, threads that start and end, forks
 * during allocations. Ends with a count.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/preload/test.h"

/* ---- the library ---- */

static void is_loaded(void)
{
    Dl_info info;
    EXPECT(dladdr((void *)(uintptr_t)call_malloc, &info) != 0 &&
           strstr(info.dli_fname, "libquarry-preload") != NULL);
}

/* ---- sizes and alignment ---- */

static void sizes_and_alignment(void)
{
    for (size_t bytes = 0; bytes < 5000000; bytes += bytes < 3000 ? 1 : bytes / 7) {
        unsigned char *object = call_malloc(bytes);
        EXPECT(object != NULL && malloc_usable_size(object) >= bytes);
        EXPECT((uintptr_t)object % (bytes <= 8 ? 8 : 16) == 0);
        memset(object, 0xa5, bytes);
        call_free(object);
        unsigned char *cleared = call_calloc(1, bytes);
        bool zero = cleared != NULL;
        for (size_t i = 0; i < bytes && zero; i++)
            zero = cleared[i] == 0;
        EXPECT(zero);
        call_free(cleared);
    }
    for (size_t alignment = 8; alignment <= (size_t)1 << 26; alignment *= 2) {
        void *object = NULL;
        EXPECT(posix_memalign(&object, alignment, alignment + 5) == 0);
        EXPECT((uintptr_t)object % alignment == 0);
        call_free(object);
        object = aligned_alloc(alignment, alignment);
        EXPECT(object != NULL && (uintptr_t)object % alignment == 0);
        call_free(object);
    }
    void *page = valloc(5);
    void *pages = pvalloc(4097);
    void *odd = call_memalign(48, 100); /* not a power of two: rounded up to 64 */
    EXPECT((uintptr_t)page % 4096 == 0 && (uintptr_t)pages % 4096 == 0);
    EXPECT(malloc_usable_size(pages) >= 8192 && (uintptr_t)odd % 64 == 0);
    call_free(page);
    call_free(pages);
    call_free(odd);
}

/* ---- errors ---- */

static void errors(void)
{
    errno = 0;
    EXPECT(call_malloc(SIZE_MAX) == NULL && errno == ENOMEM);
    errno = 0;
    EXPECT(call_calloc(SIZE_MAX / 2, 3) == NULL && errno == ENOMEM);
    errno = 0;
    EXPECT(reallocarray(NULL, SIZE_MAX / 2, 3) == NULL && errno == ENOMEM);
    void *object = &object;
    errno = 7;
    EXPECT(posix_memalign(&object, 24, 1) == EINVAL && posix_memalign(&object, 4, 1) == EINVAL);
    EXPECT(posix_memalign(&object, 64, SIZE_MAX - 4096) == ENOMEM);
    EXPECT(object == &object && errno == 7);
    EXPECT(call_aligned_alloc(24, 24) == NULL && errno == EINVAL);
    call_free(NULL);
    EXPECT(malloc_usable_size(NULL) == 0);
    char *kept = call_malloc(100);
    memcpy(kept, "still here", 11);
    EXPECT(call_realloc(kept, SIZE_MAX - 100) == NULL && strcmp(kept, "still here") == 0);
    EXPECT(call_realloc(kept, 0) == NULL);
    errno = 7;
    call_free(call_malloc(3000000));
    EXPECT(errno == 7);
    errno = 0;
    EXPECT(call_memalign(SIZE_MAX, 4096) == NULL && errno == EINVAL);
    errno = 0;
    EXPECT(call_memalign(SIZE_MAX / 2 + 2, 100) == NULL && errno == EINVAL);
    errno = 0;
    EXPECT(call_memalign(SIZE_MAX / 2 + 1, 100) == NULL && errno == ENOMEM);
}

static void resizing(void)
{
    unsigned char *object = NULL;
    size_t old = 0;
    for (size_t bytes = 1; bytes < 6000000; bytes += 1 + bytes / 3) {
        object = call_realloc(object, bytes);
        EXPECT(object != NULL);
        if (object == NULL)
            return;
        for (size_t i = 0; i < old; i++)
            if (object[i] != (unsigned char)i) {
                EXPECT(!"realloc() keeps the content");
                break;
            }
        for (size_t i = old; i < bytes; i++)
            object[i] = (unsigned char)i;
        old = bytes;
    }
    call_free(object);
}

/* What malloc_usable_size() says can be used, and realloc() to that size does nothing. */
static void usable_sizes(void)
{
    for (size_t bytes = 0; bytes < 5000000; bytes += bytes < 3000 ? 1 : bytes / 7) {
        char *object = call_malloc(bytes);
        size_t usable = malloc_usable_size(object);
        EXPECT(usable >= bytes && usable > 0);
        memset(object, 1, usable);
        EXPECT(call_realloc(object, usable) == object);
        call_free(object);
    }
    call_free(memset(call_malloc(40000000), 1, 40000000)); /* its memory returns to Linux at once */
}

/* ---- threads ---- */

enum { SLOTS = 64 };

static void *exchanged[SLOTS]; /* atomic */

static void churn(unsigned seed, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        seed = seed * 1103515245 + 12345;
        size_t bytes = 8 + (seed >> 8) % (i % 50 == 0 ? 200000 : 2000);
        unsigned char *object = call_malloc(bytes);
        object[0] = object[bytes - 1] = (unsigned char)bytes;
        *(uint32_t *)(void *)object = (uint32_t)bytes;
        object = __atomic_exchange_n(&exchanged[seed % SLOTS], object, __ATOMIC_ACQ_REL);
        if (object == NULL)
            continue;
        uint32_t was = *(uint32_t *)(void *)object;
        if (malloc_usable_size(object) < was || object[was - 1] != (unsigned char)was)
            abort();
        call_free(object);
    }
}

static void *churner(void *seed)
{
    churn((unsigned)(uintptr_t)seed, 20000);
    return NULL;
}

static pthread_key_t late;

/* Allocates during the end of the thread, perhaps after its cache went offline. */
static void free_late(void *object)
{
    call_free(object);
    call_free(call_malloc(100));
    pthread_setspecific(late, call_malloc(200)); /* repeats as often as POSIX allows */
}

static void *brief(void *seed)
{
    pthread_setspecific(late, call_malloc(300));
    churn((unsigned)(uintptr_t)seed, 50);
    return NULL;
}

static void threads_start_and_end(void)
{
    EXPECT(pthread_key_create(&late, free_late) == 0);
    for (unsigned wave = 0; wave < 40; wave++) {
        pthread_t threads[8];
        for (uintptr_t i = 0; i < 8; i++)
            EXPECT(pthread_create(&threads[i], NULL, brief, (void *)(wave * 8 + i)) == 0);
        for (unsigned i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
    }
}

static void threads_exchange_objects(void)
{
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++)
        EXPECT(pthread_create(&threads[i], NULL, churner, (void *)i) == 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static pthread_barrier_t all_started;

static void *waiter(void *seed)
{
    void *object = call_malloc(64);
    pthread_barrier_wait(&all_started);
    churn((unsigned)(uintptr_t)seed, 200);
    call_free(object);
    return NULL;
}

/* More threads than can have a cache of their own. */
static void many_threads_at_once(void)
{
    enum { COUNT = 300 };
    static pthread_t threads[COUNT];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 * 1024);
    pthread_barrier_init(&all_started, NULL, COUNT);
    for (uintptr_t i = 0; i < COUNT; i++)
        EXPECT(pthread_create(&threads[i], &small, waiter, (void *)i) == 0);
    for (unsigned i = 0; i < COUNT; i++)
        pthread_join(threads[i], NULL);
}

/* ---- threads on one CPU, preempted and signalled: sharing threads restart their sequences ---- */

enum { ON_ONE_CPU = 4, PASSES = 300000 };

static void ignore(int signal)
{
    (void)signal;
}

/* Allocates and frees a few sizes, so that nearly all time is spent in pops and pushes. */
static void *pass_on_one_cpu(void *seed)
{
    unsigned char mark = (unsigned char)(1 + (uintptr_t)seed);
    unsigned char *held[8] = {NULL};
    for (unsigned i = 0; i < PASSES; i++) {
        unsigned char **slot = &held[i % 8];
        if (*slot != NULL && (**slot != mark || (*slot)[15] != mark))
            abort(); /* another thread got the same object */
        call_free(*slot);
        *slot = call_malloc(16 + i % 3 * 16);
        memset(*slot, mark, 16);
    }
    for (unsigned i = 0; i < 8; i++)
        call_free(held[i]);
    return NULL;
}

static void preempted_on_one_cpu(void)
{
    cpu_set_t before, first;
    EXPECT(sched_getaffinity(0, sizeof before, &before) == 0);
    CPU_ZERO(&first);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&first) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &first);
    EXPECT(sched_setaffinity(0, sizeof first, &first) == 0);
    struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    pthread_t threads[ON_ONE_CPU];
    for (uintptr_t i = 0; i < ON_ONE_CPU; i++)
        EXPECT(pthread_create(&threads[i], NULL, pass_on_one_cpu, (void *)i) == 0);
    for (unsigned i = 0; i < ON_ONE_CPU; i++)
        pthread_join(threads[i], NULL);
    setitimer(ITIMER_REAL, &never, NULL);
    sched_setaffinity(0, sizeof before, &before);
}

/* ---- forks while other threads allocate ---- */

static bool restless_end; /* atomic */

static void *restless(void *seed)
{
    while (!__atomic_load_n(&restless_end, __ATOMIC_ACQUIRE))
        for (unsigned i = 0; i < 200; i++) /* too large for a cache, so locks are held */
            call_free(call_malloc(1200000 + (size_t)(uintptr_t)seed * 100000));
    return NULL;
}

static void child(void)
{
    call_free(call_malloc(3000000));
    churn(99, 5000);
    pthread_t thread;
    if (pthread_create(&thread, NULL, churner, NULL) != 0)
        _exit(2);
    pthread_join(thread, NULL);
    _exit(0);
}

/* A child that waits for a lock that is never released is killed, which is a failure. */
static int status_of(pid_t pid)
{
    int status = -1;
    for (unsigned rounds = 0; rounds < 20000; rounds++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return status;
        usleep(1000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return status;
}

static void forks(void)
{
    enum { THREADS = 3, FORKS = 60 };
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        EXPECT(pthread_create(&threads[i], NULL, restless, (void *)(i + 7)) == 0);
    for (unsigned i = 0; i < FORKS && failed == 0; i++) {
        pid_t pid = fork();
        if (pid == 0)
            child();
        EXPECT(pid > 0 && status_of(pid) == 0);
    }
    __atomic_store_n(&restless_end, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- misuse ends with a report ---- */

static void free_inside_large(void)
{
    call_free((char *)call_malloc(3000000) + 4096);
}

static void free_foreign(void)
{
    void *foreign = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    call_free((char *)foreign + 64);
}

static void free_wild(void)
{
    call_free((char *)call_malloc(100) + ((size_t)1 << 34));
}

static void usable_size_of_interior(void)
{
    malloc_usable_size((char *)call_malloc(500) + 16);
}

static void expect_abort(void (*misuse)(void), const char *report)
{
    int ends[2];
    EXPECT(pipe(ends) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        misuse();
        _exit(0);
    }
    close(ends[1]);
    char text[1000] = "";
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    EXPECT(strstr(text, report) == text);
}

static void misuse(void)
{
    expect_abort(free_inside_large, "quarry: bad free: interior pointer\n  address  0x");
    expect_abort(free_foreign, "quarry: bad free: foreign pointer\n  address  0x");
    expect_abort(free_wild, "quarry: bad free: foreign pointer\n  address  0x");
    expect_abort(usable_size_of_interior,
                 "quarry: bad usable size: interior pointer\n  address  0x");
}

/* The first call returns memory to Linux; the second finds none. */
static void trim(void)
{
    call_free(call_malloc(1200000));
    EXPECT(malloc_trim(0) == 1);
    EXPECT(malloc_trim(0) == 0);
}

/* Otherwise each of these objects would keep an arena. */
static void free_exchanged(void)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        call_free(exchanged[i]);
        exchanged[i] = NULL;
    }
}

static size_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    size_t all = 0, resident = 0;
    EXPECT(file != NULL && fscanf(file, "%zu %zu", &all, &resident) == 2);
    if (file != NULL)
        fclose(file);
    return resident * 4096;
}

enum { PEAK = 40000, PEAK_BYTES = 2000 };

/* The memory of a peak of small objects and of a huge object returns to Linux during later
 * allocations. */
static void memory_returns_to_linux(void)
{
    static void *objects[PEAK];
    free_exchanged();
    size_t before = resident_bytes();
    char *huge = call_malloc(100 << 20);
    memset(huge, 1, 100 << 20);
    for (unsigned i = 0; i < PEAK; i++)
        memset(objects[i] = call_malloc(PEAK_BYTES), 1, PEAK_BYTES);
    size_t most = resident_bytes() - before;
    EXPECT(most > (100 << 20)); /* free memory of earlier tests may be used again */
    call_free(huge);
    for (unsigned i = 0; i < PEAK; i++)
        call_free(objects[i]);
    for (unsigned round = 0; round < 5000 && resident_bytes() > before + most / 4; round++) {
        for (unsigned i = 0; i < PEAK / 10; i++)
            objects[i] = call_malloc(64);
        for (unsigned i = 0; i < PEAK / 10; i++)
            call_free(objects[i]);
    }
    EXPECT(resident_bytes() <= before + most / 4);
}

int main(void)
{
    run("is loaded", is_loaded);
    run("sizes and alignment", sizes_and_alignment);
    run("errors", errors);
    run("resizing", resizing);
    run("usable sizes", usable_sizes);
    run("threads exchange objects", threads_exchange_objects);
    run("threads start and end", threads_start_and_end);
    run("many threads at once", many_threads_at_once);
    run("preempted on one CPU", preempted_on_one_cpu);
    run("forks", forks);
    run("misuse", misuse);
    run("memory returns to Linux", memory_returns_to_linux);
    run("trim", trim);
    return finish();
}
