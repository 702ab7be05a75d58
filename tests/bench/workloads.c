/* SPDX-License-Identifier: MIT */
/*
 * Workloads for any malloc: workloads NAME. The driver, compare.py, measures them.
 *
 * The single operations are in operations.c. Here are new implementations of workloads from the
 * literature: larson (Larson and Krishnan, 1998), the cache workloads of Hoard (Berger et al.,
 * 2000), SmartHeap's sh6 and sh8, xmalloc (Lever and Boreham, 2000), mstress (mimalloc), cfrac
 * (Zorn). They print nothing but a check sum.
 */
#include <stdbool.h>
#include <string.h>

#include "tests/bench/workload.h"

#define THREADS 4u

/* ---- larson: a new thread continues with the objects of an old one ---- */

enum { LARSON_LIVE = 5000, LARSON_GENERATIONS = 12, LARSON_ROUNDS = 150000 };

static void *larson_live[THREADS][LARSON_LIVE];

static void *larson_thread(void *number)
{
    void **live = larson_live[(uintptr_t)number - 1];
    uint64_t random = (uintptr_t)number * 7919;
    for (unsigned i = 0; i < LARSON_ROUNDS; i++) {
        void **place = &live[next_random(&random) % LARSON_LIVE];
        free(*place);
        *place = allocate(random_between(&random, 10, 500));
    }
    return NULL;
}

static void larson(void)
{
    for (unsigned generation = 0; generation < LARSON_GENERATIONS; generation++)
        in_threads(THREADS, larson_thread);
}

/* ---- xmalloc: another thread frees the objects, which it gets through a queue ---- */

enum { QUEUE = 64, QUEUE_BATCH = 120, QUEUE_BATCHES = 60000 };

static struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned first;
    unsigned count;
    void **batch[QUEUE];
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void queue_put(void **batch)
{
    pthread_mutex_lock(&queue.lock);
    while (queue.count == QUEUE)
        pthread_cond_wait(&queue.changed, &queue.lock);
    queue.batch[(queue.first + queue.count++) % QUEUE] = batch;
    pthread_cond_broadcast(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
}

static void **queue_get(void)
{
    pthread_mutex_lock(&queue.lock);
    while (queue.count == 0)
        pthread_cond_wait(&queue.changed, &queue.lock);
    void **batch = queue.batch[queue.first];
    queue.first = (queue.first + 1) % QUEUE;
    queue.count--;
    pthread_cond_broadcast(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
    return batch;
}

static void produce(uint64_t random, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        void **batch = allocate(QUEUE_BATCH * sizeof(void *));
        for (unsigned j = 0; j < QUEUE_BATCH; j++)
            batch[j] = allocate(random_between(&random, 16, 400));
        queue_put(batch);
    }
}

static void consume(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        void **batch = queue_get();
        for (unsigned j = 0; j < QUEUE_BATCH; j++)
            free(batch[j]);
        free(batch);
    }
}

static void *xmalloc_thread(void *number)
{
    if ((uintptr_t)number % 2 == 0)
        produce((uintptr_t)number, QUEUE_BATCHES / 2);
    else
        consume(QUEUE_BATCHES / 2);
    return NULL;
}

static void xmalloc(void)
{
    in_threads(4, xmalloc_thread);
}

static void *asymmetric_thread(void *number)
{
    if ((uintptr_t)number == 1)
        produce(1, QUEUE_BATCHES);
    else
        consume(QUEUE_BATCHES / 3);
    return NULL;
}

static void asymmetric(void)
{
    in_threads(4, asymmetric_thread);
}

/* ---- mstress: objects of all sizes, some of which move between threads ---- */

/* Small sizes are frequent and large ones rare, as in programs. */
static size_t random_bytes(uint64_t *state)
{
    uint64_t drawn = next_random(state);
    unsigned doublings = 3 + (unsigned)__builtin_ctzll(drawn | 1u << 13) / 2 * 2;
    return random_between(state, (size_t)1 << doublings, (size_t)4 << doublings);
}

enum { SHARED = 1000, MSTRESS_ROUNDS = 40, MSTRESS_OBJECTS = 30000 };

static void *shared[SHARED]; /* atomic */

static void *mstress_thread(void *number)
{
    uint64_t random = (uintptr_t)number * 104729;
    static __thread void *kept[MSTRESS_OBJECTS];
    for (unsigned round = 0; round < MSTRESS_ROUNDS; round++) {
        for (unsigned i = 0; i < MSTRESS_OBJECTS; i++) {
            kept[i] = allocate(random_bytes(&random));
            if (next_random(&random) % 4 == 0) {
                void **place = &shared[next_random(&random) % SHARED];
                kept[i] = __atomic_exchange_n(place, kept[i], __ATOMIC_ACQ_REL);
            }
            if (i > 0 && next_random(&random) % 2 == 0) {
                void **other = &kept[next_random(&random) % i];
                free(*other);
                *other = NULL;
            }
        }
        for (unsigned i = 0; i < MSTRESS_OBJECTS; i++)
            free(kept[i]);
    }
    return NULL;
}

static void mstress(void)
{
    in_threads(THREADS, mstress_thread);
}

/* ---- sh6 and sh8: blocks of many sizes with short and long lifetimes ---- */

static void *sh6_thread(void *number)
{
    enum { COUNT = 4000 };
    uint64_t random = (uintptr_t)number * 31;
    void **blocks = allocate(COUNT * sizeof(void *));
    for (unsigned round = 0; round < 400; round++) {
        for (unsigned i = 0; i < COUNT; i++)
            blocks[i] = allocate(random_between(&random, 1, i % 100 == 0 ? 8000 : 1000));
        for (unsigned i = 0; i < COUNT; i += 2) /* every second one forwards, the rest backwards */
            free(blocks[i]);
        for (unsigned i = 0; i < COUNT; i += 2)
            blocks[i] = allocate(random_between(&random, 1, 200));
        for (unsigned i = COUNT; i-- > 0;)
            free(blocks[i]);
    }
    free(blocks);
    return NULL;
}

static void sh6(void)
{
    for (unsigned i = 0; i < 3; i++)
        sh6_thread((void *)1);
}

static void sh8(void)
{
    in_threads(THREADS, sh6_thread);
}

/* ---- false sharing: do two threads get parts of the same cache line? ---- */

enum { SCRATCH_WRITES = 2000, SCRATCH_ROUNDS = 60000, SCRATCH_BYTES = 8 };

static void *scratched[THREADS];

static void scratch(unsigned char *object)
{
    for (unsigned i = 0; i < SCRATCH_WRITES; i++)
        ++*(volatile unsigned char *)&object[i % SCRATCH_BYTES];
}

static void *thrash_thread(void *number)
{
    (void)number;
    for (unsigned round = 0; round < SCRATCH_ROUNDS; round++) {
        unsigned char *object = allocate(SCRATCH_BYTES);
        memset(object, 0, SCRATCH_BYTES);
        scratch(object);
        free(object);
    }
    return NULL;
}

static void *scratch_thread(void *number)
{
    free(scratched[(uintptr_t)number -
                   1]); /* allocated by the main thread, next to another thread's object */
    return thrash_thread(number);
}

static void cache_thrash(void)
{
    in_threads(2, thrash_thread);
}

static void cache_scratch(void)
{
    for (unsigned i = 0; i < 2; i++)
        scratched[i] = allocate(SCRATCH_BYTES);
    in_threads(2, scratch_thread);
}

/* ---- a treap that is built and freed ---- */

struct node {
    struct node *left;
    struct node *right;
    uint64_t key;
    uint64_t priority;
    char *text;
};

static struct node *insert(struct node *root, struct node *added)
{
    if (root == NULL)
        return added;
    struct node **side = added->key < root->key ? &root->left : &root->right;
    *side = insert(*side, added);
    struct node *child = *side;
    if (child->priority <= root->priority)
        return root;
    if (side == &root->left) {
        root->left = child->right;
        child->right = root;
    } else {
        root->right = child->left;
        child->left = root;
    }
    return child;
}

static uint64_t free_tree(struct node *root)
{
    if (root == NULL)
        return 0;
    uint64_t sum = free_tree(root->left) + free_tree(root->right) + root->key;
    free(root->text);
    free(root);
    return sum;
}

static void tree(void)
{
    uint64_t random = 5;
    uint64_t sum = 0;
    for (unsigned round = 0; round < 3; round++) {
        struct node *root = NULL;
        for (unsigned i = 0; i < 400000; i++) {
            struct node *node = allocate(sizeof *node);
            *node = (struct node){.key = next_random(&random), .priority = next_random(&random)};
            node->text = allocate(random_between(&random, 8, 60));
            root = insert(root, node);
        }
        sum += free_tree(root);
    }
    printf("%llu\n", (unsigned long long)sum);
}

/* ---- big numbers; each result is a new object ---- */

struct number {
    unsigned length;
    uint32_t digit[]; /* base 2^32, lowest first */
};

static struct number *number_new(unsigned length)
{
    struct number *number = allocate(sizeof *number + length * sizeof(uint32_t));
    number->length = length;
    return number;
}

static struct number *number_sum(const struct number *a, const struct number *b)
{
    unsigned length = (a->length > b->length ? a->length : b->length) + 1;
    struct number *sum = number_new(length);
    uint64_t carry = 0;
    for (unsigned i = 0; i < length; i++) {
        carry += i < a->length ? a->digit[i] : 0;
        carry += i < b->length ? b->digit[i] : 0;
        sum->digit[i] = (uint32_t)carry;
        carry >>= 32;
    }
    while (sum->length > 1 && sum->digit[sum->length - 1] == 0)
        sum->length--;
    return sum;
}

static struct number *number_rest(const struct number *a, uint32_t divisor, uint32_t *rest)
{
    struct number *quotient = number_new(a->length);
    uint64_t left = 0;
    for (unsigned i = a->length; i-- > 0;) {
        left = left << 32 | a->digit[i];
        quotient->digit[i] = (uint32_t)(left / divisor);
        left %= divisor;
    }
    *rest = (uint32_t)left;
    return quotient;
}

/* Fibonacci numbers, each divided by small primes, as in a search for factors. */
static void bignum(void)
{
    static const uint32_t primes[] = {3, 5, 7, 11, 13, 17, 19, 23, 29, 31};
    uint64_t sum = 0;
    for (unsigned round = 0; round < 1200; round++) {
        struct number *low = number_new(1);
        struct number *high = number_new(1);
        low->digit[0] = high->digit[0] = 1 + round;
        for (unsigned i = 0; i < 300; i++) {
            struct number *next = number_sum(low, high);
            for (unsigned p = 0; p < sizeof primes / sizeof primes[0]; p++) {
                uint32_t rest;
                free(number_rest(next, primes[p], &rest));
                sum += rest == 0;
            }
            free(low);
            low = high;
            high = next;
        }
        free(low);
        free(high);
    }
    printf("%llu\n", (unsigned long long)sum);
}

/* ---- large blocks: a few are live at a time, and some of their pages are written ---- */

static void large_blocks(void)
{
    enum { LIVE = 16 };
    unsigned char *live[LIVE] = {NULL};
    uint64_t random = 9;
    for (unsigned i = 0; i < 4000; i++) {
        unsigned place = (unsigned)(next_random(&random) % LIVE);
        size_t bytes = random_between(&random, (size_t)64 << 10, (size_t)12 << 20);
        free(live[place]);
        live[place] = allocate(bytes);
        for (size_t at = 0; at < bytes; at += (size_t)64 << 10)
            live[place][at] = 1;
    }
    for (unsigned i = 0; i < LIVE; i++)
        free(live[i]);
}

/* ---- a million live objects; the peak memory shows the overhead ---- */

static void million(size_t low, size_t high)
{
    enum { COUNT = 1000000 };
    void **objects = allocate(COUNT * sizeof(void *));
    uint64_t random = 3;
    for (unsigned i = 0; i < COUNT; i++) {
        size_t bytes = random_between(&random, low, high);
        objects[i] = allocate(bytes);
        memset(objects[i], 1, bytes);
    }
    for (unsigned i = 0; i < COUNT; i++)
        free(objects[i]);
    free(objects);
}

static void million_16(void)
{
    million(16, 16);
}

static void million_200(void)
{
    million(200, 200);
}

static void million_mixed(void)
{
    million(8, 600);
}

/* ---- the tables of workloads ---- */

static const struct workload loads[] = {
    {"larson", larson},
    {"xmalloc", xmalloc},
    {"asymmetric", asymmetric},
    {"mstress", mstress},
    {"sh6", sh6},
    {"sh8", sh8},
    {"cache-thrash", cache_thrash},
    {"cache-scratch", cache_scratch},
    {"tree", tree},
    {"bignum", bignum},
    {"large-blocks", large_blocks},
    {"million-16", million_16},
    {"million-200", million_200},
    {"million-mixed", million_mixed},
    {NULL, NULL},
};

static void print_names(const struct workload *table)
{
    for (; table->name != NULL; table++)
        printf("%s\n", table->name);
}

static bool run(const struct workload *table, const char *name)
{
    while (table->name != NULL && strcmp(table->name, name) != 0)
        table++;
    if (table->name != NULL)
        table->run();
    return table->name != NULL;
}

int main(int count, char **arguments)
{
    if (count < 2) {
        print_names(operations);
        print_names(loads);
    } else if (!run(operations, arguments[1]) && !run(loads, arguments[1])) {
        fail("unknown workload");
    }
    return 0;
}
