/* SPDX-License-Identifier: MIT */
/*
 * Spin locks. Interrupts of this CPU are masked while it holds one.
 *
 * An interrupt handler may allocate. If it interrupted code that holds a lock it needs, it would
 * wait forever. So acquiring a lock masks interrupts, and releasing it restores them. An NMI cannot
 * be masked, so no function that an NMI handler may call takes a lock.
 *
 * Test and test-and-set: waiters read a shared copy of the cache line until the lock is free. There
 * is no queue. Locks are held for tens of instructions, and on a virtual machine the next CPU in a
 * queue may not be running, and all CPUs behind it would wait.
 *
 * Ranks (debug builds): a CPU acquires a lock only if its rank is higher than that of every lock it
 * holds. So CPUs cannot wait for each other in a circle. The ranks increase from the upper layers
 * to the lower ones.
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
    LOCK_RANK_TRANSFER_CACHE, /* one per cache id; a CPU holds at most one */
    LOCK_RANK_CENTRAL_LIST,   /* one per cache id; a CPU holds at most one */
    LOCK_RANK_PAGE_HEAP,
    LOCK_RANK_METADATA_POOL,
    LOCK_RANK_FRAME_SEARCH,
    LOCK_RANK_FRAME_MOVES,
    LOCK_RANK_FRAME_FRONTIER,
    LOCK_RANK_COUNT
};

struct spinlock {
    bool held;
    uint8_t rank; /* an enum lock_rank, set before use */
};

typedef uintptr_t irq_state;

static inline void spinlock_init(struct spinlock *lock, enum lock_rank rank)
{
    lock->held = false;
    lock->rank = (uint8_t)rank;
}

/* Waits until the lock looks free. Out of line: contention is rare. */
void spinlock_wait(const struct spinlock *lock);

/* Debug builds: record and check the ranks that this CPU holds. */
void spinlock_rank_push(const struct spinlock *lock);
void spinlock_rank_pop(const struct spinlock *lock);

/* Clears this CPU's ranks, for quarry_init(), which initialises all locks. */
void spinlock_rank_forget(void);

/* Returns the state for spinlock_release(). Not in an NMI handler. */
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
