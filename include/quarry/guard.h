/* SPDX-License-Identifier: MIT */
/*
 * Sampled guard pages, and leaks.
 *
 * Guard pages. Once started, about one allocation in N stands alone on a page between two
 * inaccessible pages, and its own page becomes inaccessible when it is freed. So an access behind
 * its end, before its start or after its free faults at the instruction that does it, and
 * quarry_guard_fault() tells the kernel's page fault handler what it was. With N in the thousands
 * the cost cannot be measured, and sampling across many machines finds bugs that tests miss. At any
 * level of hardening; the port must give setup.set_access. In the manner of Linux's KFENCE and of
 * GWP-ASan.
 *
 * Leaks. At level 2 of hardening each object has a record of who allocated it, and since which
 * mark.
 */
#ifndef QUARRY_GUARD_H
#define QUARRY_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * From now on about one allocation in `every` (1 or more) of at most 4096 bytes is guarded, as long
 * as one of QUARRY_GUARD_OBJECTS places is free. Only cache misses are sampled, so the fast path
 * has no extra check. A second call only changes the rate. Interrupts on, not in a handler. Returns
 * QUARRY_BAD_SETUP (`every` is 0, or the port gave no set_access) or QUARRY_NO_MEMORY (no memory
 * for the pages).
 */
enum quarry_status quarry_guard_start(unsigned every);

/* No further allocations are guarded. Guarded objects stay guarded until they are freed. */
void quarry_guard_stop(void);

/*
 * For the page fault handler: if `address` belongs to a guarded object, stops with a report: the
 * kind of access, the object, the instruction that did it, who allocated and who freed the object.
 * Else it returns, and the fault is not Quarry's. Any context.
 */
void quarry_guard_fault(const void *address, bool write, const void *instruction);

/* ---- leaks ---- */

/* Returns a mark: objects allocated from now on are "since" it. Below level 2 of hardening: 0. */
size_t quarry_leak_mark(void);

/* Live objects that were allocated at one place. */
struct quarry_leak {
    const void *allocated_by; /* the instruction behind the call; NULL: all further places */
    size_t objects;
    size_t bytes; /* as asked for */
};

/*
 * The live objects that were allocated since `mark` (0: all), by the place that allocated them,
 * most bytes first; returns how many entries of `leaks` were written. If there are more than
 * `capacity` (1 or more) places, the last entry has the sum of the rest. Guarded objects are not
 * included. No other CPU may be inside Quarry. Time: in proportion to the memory in use. Below
 * level 2 of hardening: 0.
 */
size_t quarry_leak_report(size_t mark, struct quarry_leak *leaks, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
