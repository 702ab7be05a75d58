/* SPDX-License-Identifier: MIT */
/* CPUs going online and offline, drained by others, reaped when dead. */
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

static void go_offline_and_online(void)
{
    quarry_cpu_offline();
    use_object();
    EXPLORE_CHECK(quarry_cpu_online(quarry_port_cpu_number()) == QUARRY_OK);
    use_object();
}

static void go_offline(void)
{
    use_object();
    quarry_cpu_offline();
}

static void drain_all(void)
{
    use_object();
    quarry_drain();
}

/* Misses its cache, and then serves the request to drain. */
static void use_many(void)
{
    static void *many[70];
    size_t count = quarry_alloc_batch(1000, 70, many);
    EXPLORE_CHECK(count == 70);
    quarry_free_batch(count, many);
}

/* An allocation that may wait for other CPUs before it fails. */
static void alloc_too_much(void)
{
    void *object = quarry_alloc_with(16 * MIB, QUARRY_MAY_WAIT);
    EXPLORE_CHECK(object == NULL);
}

static unsigned reaped; /* atomic */

static void dead_cpu(void)
{
    fresh();
    explore_as_cpu(2, use_object);
    reaped = 0;
}

static void reap(void)
{
    if (quarry_cpu_reap(2) == QUARRY_OK)
        atomic_fetch_add(&reaped, 1);
}

static void reaped_once(void)
{
    EXPLORE_CHECK(reaped == 1);
    nothing_lost();
}

/* The dead CPU starts again. It is refused until it has been reaped. */
static void start_again(void)
{
    if (quarry_cpu_online(2) != QUARRY_OK)
        return;
    use_object();
    quarry_cpu_offline();
}

static void do_nothing(void)
{
}

static void drain_in_interrupt(void)
{
    use_object();
    quarry_drain_interrupt();
}

/* ---- drains by interrupts ---- */

/* A port's function that interrupts a CPU waits until its stores are seen. */
static void interrupt_cpu(unsigned cpu)
{
    static unsigned waits_for_stores;
    atomic_exchange(&waits_for_stores, 1);
    explore_interrupt(cpu, quarry_drain_interrupt);
}

/* As an x2APIC: the interrupt may arrive before the stores of the sender. */
static void interrupt_cpu_at_once(unsigned cpu)
{
    explore_interrupt(cpu, quarry_drain_interrupt);
}

static void fresh_interrupted_by(void (*interrupt)(unsigned cpu))
{
    explore_heap_fresh_as(
        &(struct explore_heap){.base = 64 * MIB, .bytes = 8 * MIB, .interrupt_cpu = interrupt});
    explore_cpus_online();
    explore_as_cpu(1, use_object);
    explore_as_cpu(2, quarry_cpu_offline); /* it would never answer */
}

static void fresh_with_interrupts(void)
{
    fresh_interrupted_by(interrupt_cpu);
}

static void fresh_with_early_interrupts(void)
{
    fresh_interrupted_by(interrupt_cpu_at_once);
}

static size_t objects_cached(void)
{
    size_t cached = 0;
    for (unsigned size_class = 1; size_class < quarry_class_count(); size_class++) {
        struct quarry_class_stats stats;
        quarry_class_stats(size_class, &stats);
        cached += stats.cached_objects;
    }
    return cached;
}

/* If all CPUs have answered, their caches are empty. */
static void drain_and_look(void)
{
    if (quarry_drain() == 0)
        EXPLORE_CHECK(objects_cached() == 0);
}

/* CPU 1 has drained its cache in the interrupt, although it did nothing else afterwards. */
static void all_drained(void)
{
    EXPLORE_CHECK(objects_cached() == 0);
    nothing_lost();
}

static const struct explore_program programs[] = {
    {"cpus: one drains all, one goes offline and online",
     2,
     fresh,
     {drain_all, go_offline_and_online},
     nothing_lost,
     NULL},
    {"cpus: one drains all, one misses its cache",
     2,
     fresh,
     {drain_all, use_many},
     nothing_lost,
     NULL},
    {"cpus: two drain all", 2, fresh, {drain_all, drain_all}, nothing_lost, NULL},
    {"cpus: one drains all, one drains in an interrupt",
     2,
     fresh,
     {drain_all, drain_in_interrupt},
     nothing_lost,
     NULL},
    {"cpus: two go offline", 2, fresh, {go_offline, go_offline}, nothing_lost, NULL},
    {"cpus: memory is exhausted while one goes offline",
     2,
     fresh,
     {alloc_too_much, go_offline_and_online},
     nothing_lost,
     NULL},
    {"cpus: an interrupt drains a CPU that allocates",
     2,
     fresh_with_interrupts,
     {drain_all, use_many},
     nothing_lost,
     NULL},
    {"cpus: an interrupt drains a CPU that does nothing more",
     2,
     fresh_with_interrupts,
     {drain_and_look, quarry_drain_interrupt},
     all_drained,
     NULL},
    {"cpus: an interrupt that may come before the request drains a CPU",
     2,
     fresh_with_early_interrupts,
     {drain_and_look, quarry_drain_interrupt},
     all_drained,
     NULL},
    {"cpus: two reap a dead one", 2, dead_cpu, {reap, reap}, reaped_once, NULL},
    {"cpus: one reaps a dead one, which starts again",
     3,
     dead_cpu,
     {reap, do_nothing, start_again},
     nothing_lost,
     NULL},
    {"cpus: one reaps a dead one, one drains all",
     2,
     dead_cpu,
     {reap, drain_all},
     reaped_once,
     NULL},
};

const struct explore_programs explore_cpu_programs = {programs,
                                                      sizeof programs / sizeof programs[0],
                                                      .may_race = false};
