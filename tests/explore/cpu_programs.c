/* SPDX-License-Identifier: MIT */
/* CPUs: coming, going, drained by others, adopted when dead. */
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "lib/atomic.h"
#include "tests/explore/explore_heap.h"
#include "tests/explore/scheduler.h"

#define MIB ((size_t)1 << 20)

static void fresh(void)
{
    explore_heap_fresh(8 * MIB);
    explore_cpus_online();
}

static void nothing_lost(void)
{
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPLORE_CHECK(stats.small_live_objects == 0);
    explore_expect_nothing_lost();
}

static void use_object(void)
{
    void *object = quarry_alloc(48);
    EXPLORE_CHECK(object != NULL);
    explore_fill(object, 48, (unsigned char)(1 + quarry_port_cpu_number()));
    explore_expect_filled(object, 48, (unsigned char)(1 + quarry_port_cpu_number()));
    quarry_free(object);
}

static void go_and_come(void)
{
    quarry_cpu_offline();
    use_object();
    EXPLORE_CHECK(quarry_cpu_online(quarry_port_cpu_number()) == QUARRY_OK);
    use_object();
}

static void go(void)
{
    use_object();
    quarry_cpu_offline();
}

static void drain_all(void)
{
    use_object();
    quarry_drain();
}

/* Misses its cache, and so meets the request to drain. */
static void use_many(void)
{
    static void *many[70];
    size_t count = quarry_alloc_batch(1000, 70, many);
    EXPLORE_CHECK(count == 70);
    quarry_free_batch(count, many);
}

/* An allocation that would rather wait than fail. */
static void want_more_than_there_is(void)
{
    void *object = quarry_alloc_with(16 * MIB, QUARRY_MAY_WAIT);
    EXPLORE_CHECK(object == NULL);
}

static unsigned adopted; /* atomic */

static void dead_cpu(void)
{
    fresh();
    explore_as_cpu(2, use_object);
    adopted = 0;
}

static void adopt(void)
{
    if (quarry_cpu_reap(2) == QUARRY_OK)
        atomic_fetch_add(&adopted, 1);
}

static void adopted_once(void)
{
    EXPLORE_CHECK(adopted == 1);
    nothing_lost();
}

static void answer_interrupt(void)
{
    use_object();
    quarry_drain_interrupt();
}

static const struct explore_program programs[] = {
    {"cpus: drained while going and coming",
     2,
     fresh,
     {drain_all, go_and_come},
     nothing_lost,
     NULL},
    {"cpus: drained while it misses", 2, fresh, {drain_all, use_many}, nothing_lost, NULL},
    {"cpus: both drain all", 2, fresh, {drain_all, drain_all}, nothing_lost, NULL},
    {"cpus: drained by a request in an interrupt",
     2,
     fresh,
     {drain_all, answer_interrupt},
     nothing_lost,
     NULL},
    {"cpus: two go", 2, fresh, {go, go}, nothing_lost, NULL},
    {"cpus: memory gone while one goes",
     2,
     fresh,
     {want_more_than_there_is, go_and_come},
     nothing_lost,
     NULL},
    {"cpus: a dead one adopted by two", 2, dead_cpu, {adopt, adopt}, adopted_once, NULL},
    {"cpus: a dead one adopted while all are drained",
     2,
     dead_cpu,
     {adopt, drain_all},
     adopted_once,
     NULL},
};

const struct explore_programs explore_cpu_programs = {programs,
                                                      sizeof programs / sizeof programs[0]};
