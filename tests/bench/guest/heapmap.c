/* SPDX-License-Identifier: MIT */
/*
 * A partly filled heap; see heapmap.h.
 *
 * The load has three phases. Objects of all sizes, the same number of bytes for each doubling, fill
 * half of the memory. Three of four are freed. An eighth of the memory is filled again, with other
 * sizes. Afterwards there are full, sparse and idle arenas, and large objects between small ones.
 * The objects are linked through themselves, so the load needs no memory of its own.
 */
#include "tests/bench/guest/heapmap.h"

#include <quarry/frame.h>
#include <quarry/quarry.h>
#include <quarry/stats.h>

#include "boot/console.h"
#include "lib/list.h"
#include "lib/random.h"
#include "tests/framework/test.h"

#define OBJECT_BYTES_MIN_BITS 5u
#define OBJECT_BYTES_MAX_BITS 21u
#define RUN_OBJECTS 512u

static struct list objects;

static void print(void *context, const char *text)
{
    (void)context;
    console_print("%s", text);
}

/* The same number of bytes in each doubling of sizes: few large objects and many small ones. */
static void fill(struct random *random, size_t bytes, unsigned least_bits)
{
    for (size_t allocated = 0; allocated < bytes;) {
        unsigned bits =
            least_bits + (unsigned)random_below(random, OBJECT_BYTES_MAX_BITS - least_bits);
        size_t each = ((size_t)1 << bits) + random_below(random, (uint64_t)1 << bits);
        for (size_t run = 0; run < (size_t)1 << OBJECT_BYTES_MAX_BITS; run += each) {
            struct list *node = quarry_alloc(each);
            if (node == NULL)
                return;
            list_push_front(&objects, node);
            allocated += each;
        }
    }
}

/* Frees in runs: objects that were allocated together are mostly freed together. */
static void free_some(struct random *random, unsigned of_four)
{
    bool frees = false;
    struct list *node = objects.next;
    for (size_t i = 0; node != &objects; i++) {
        struct list *object = node;
        node = node->next;
        if (i % RUN_OBJECTS == 0)
            frees = random_below(random, 4) < of_four;
        if (frees) {
            list_remove(object);
            quarry_free(object);
        }
    }
}

void heapmap_run(void)
{
    test_heap_fresh();
    size_t memory = quarry_frame_free_count() * QUARRY_FRAME_BYTES;
    struct random random = random_seeded(1);
    list_init(&objects);
    fill(&random, memory / 2, OBJECT_BYTES_MIN_BITS);
    free_some(&random, 3);
    fill(&random, memory / 8, OBJECT_BYTES_MIN_BITS + 4);
    console_print("heapmap begin\n");
    quarry_stats_json(print, NULL);
    console_print("heapmap end\n");
    free_some(&random, 4);
    quarry_verify();
}
