/* SPDX-License-Identifier: MIT */
/*
 * Spin locks that keep this CPU's interrupts off while they are held.
 *
 * An interrupt handler may allocate, so a lock that it may want must never be held by the code
 * that it interrupted: taking a lock masks interrupts, letting go restores them. An NMI cannot be
 * masked, so no function that an NMI handler may call takes a lock.
 *
 * Test, test-and-set: waiters read a shared copy of the line until it looks free. No queue: holds
 * are tens of instructions, and on a virtual machine the next in a queue may be a CPU that is not
 * running, for which all behind it would wait.
 *
 * Ranks (debug builds): a CPU may take a lock only of a higher rank than all that it holds, so no
 * two CPUs can wait for each other in a circle. The order follows the way down an allocation.
 */
#ifndef LIB_SPINLOCK_H
#define LIB_SPINLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <quarry/config.h>
#include <quarry_arch.h>

#include "lib/atomic.h"
#include "lib/bits.h"

enum lock_rank {
    LOCK_RANK_LEAF_TEST, /* for tests of this file */
    LOCK_RANK_CPUS,      /* CPUs going online and offline */
    LOCK_RANK_CACHE_CREATE,
    LOCK_RANK_GUARD_PAGES,
    LOCK_RANK_TRANSFER_CACHE, /* one per size class; never two at once */
    LOCK_RANK_CENTRAL_LIST,   /* one per size class; never two at once */
    LOCK_RANK_PAGE_HEAP,
    LOCK_RANK_METADATA_POOL,
    LOCK_RANK_FRAME_SEARCH,
    LOCK_RANK_FRAME_MOVES,
    LOCK_RANK_FRAME_FRONTIER,
    LOCK_RANK_COUNT
};

struct spinlock {
    bool held;
    uint8_t rank; /* an enum lock_rank; written once, before use */
};

typedef uintptr_t irq_state;

static inline void spinlock_init(struct spinlock *lock, enum lock_rank rank)
{
    lock->held = false;
    lock->rank = (uint8_t)rank;
}

/* Waits without taking; out of line, for contention is rare. */
void spinlock_wait(const struct spinlock *lock);

/* Debug builds: the rank order, per CPU. */
void spinlock_rank_push(const struct spinlock *lock);
void spinlock_rank_pop(const struct spinlock *lock);

/* Forgets what this CPU holds: for quarry_init(), which makes all locks anew. */
void spinlock_rank_forget(void);

/* Returns what spinlock_release() must give back. Not in an NMI handler. */
static inline irq_state spinlock_acquire(struct spinlock *lock)
{
    irq_state irq = quarry_port_irq_save();
    if (QUARRY_DEBUG)
        spinlock_rank_push(lock);
    while (unlikely(atomic_exchange(&lock->held, true)))
        spinlock_wait(lock);
    return irq;
}

static inline void spinlock_release(struct spinlock *lock, irq_state irq)
{
    atomic_store_release(&lock->held, false);
    if (QUARRY_DEBUG)
        spinlock_rank_pop(lock);
    quarry_port_irq_restore(irq);
}

#endif
