/* SPDX-License-Identifier: MIT */
/*
 * A long run with changing sizes, for any malloc. In each of twelve phases the live objects are
 * replaced, in random order, by objects of another typical size. Twenty times per phase it prints a
 * line "LIVE HELD", both in bytes. HELD is the growth of resident memory since the start.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/random.h"

enum { LIVE = 100000, PHASES = 12, SAMPLES = 20, STEPS = 2 * LIVE / SAMPLES };

static void *objects[LIVE];
static uint32_t sizes[LIVE];
static struct random random_state;
static size_t live_bytes;

static size_t resident_bytes(void)
{
    size_t all, resident;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%zu %zu", &all, &resident) != 2)
        exit(1);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* Sizes are between the typical size and twice that. Typical sizes are 32 bytes to 2 KiB, in an
 * order that alternates between small and large. */
static size_t typical_bytes(unsigned phase)
{
    return (size_t)32 << (phase * 5 % 7);
}

static void replace_some(size_t typical)
{
    for (unsigned i = 0; i < STEPS; i++) {
        size_t place = random_below(&random_state, LIVE);
        free(objects[place]);
        live_bytes -= sizes[place];
        sizes[place] = (uint32_t)(typical + random_below(&random_state, typical));
        live_bytes += sizes[place];
        objects[place] = malloc(sizes[place]);
        if (objects[place] == NULL)
            exit(1);
        memset(objects[place], 1, sizes[place]);
    }
}

int main(void)
{
    memset(objects, 0, sizeof objects);
    memset(sizes, 1, sizeof sizes); /* make it resident before the start */
    memset(sizes, 0, sizeof sizes);
    random_state = random_seeded(1);
    size_t before = resident_bytes();
    for (unsigned sample = 0; sample < PHASES * SAMPLES; sample++) {
        replace_some(typical_bytes(sample / SAMPLES));
        printf("%zu %zu\n", live_bytes, resident_bytes() - before);
    }
    return 0;
}
