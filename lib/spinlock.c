/* SPDX-License-Identifier: MIT */
/* Spin locks: waiting, and the check of ranks; see spinlock.h. */
#include "lib/spinlock.h"

#include "lib/check.h"

void spinlock_wait(const struct spinlock *lock)
{
    while (atomic_load_relaxed(&lock->held))
        quarry_port_pause();
}

/*
 * The ranks that each CPU holds, one bit each. Written only by that CPU, with interrupts off. Not
 * on separate cache lines: this is for debug builds.
 */
static uint16_t held_ranks[QUARRY_CPUS_MAX];

_Static_assert(LOCK_RANK_COUNT <= 16, "held_ranks has a bit for each rank");

void spinlock_rank_push(const struct spinlock *lock)
{
    uint16_t *held = &held_ranks[quarry_port_cpu_number()];
    CHECK(*held >> lock->rank == 0,
          "quarry: lock of rank %u taken while ranks %#x are held (cpu %u)", lock->rank, *held,
          quarry_port_cpu_number());
    *held = (uint16_t)(*held | 1u << lock->rank);
}

void spinlock_rank_pop(const struct spinlock *lock)
{
    uint16_t *held = &held_ranks[quarry_port_cpu_number()];
    *held = (uint16_t)(*held & ~(1u << lock->rank));
}

void spinlock_rank_forget(void)
{
    held_ranks[quarry_port_cpu_number()] = 0;
}
