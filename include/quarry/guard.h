/* SPDX-License-Identifier: MIT */
/*
 * Sampled guard pages, and leaks.
 *
 * Guard pages. Once started, about one allocation in N stands alone on a page between two that
 * cannot be accessed; when it is freed, its own page cannot be accessed either. So a read or write
 * beyond its end, before its start, or after its free faults at that very instruction, and the
 * kernel's page fault handler learns from quarry_guard_fault() what it was. N in the thousands
 * costs nothing that can be measured, and so many machines find together what no test has found. At
 * any level of hardening; the port must give setup.set_access. In the manner of Linux' KFENCE and
 * of GWP-ASan.
 *
 * Leaks. At level 2 of hardening each object knows who allocated it, and since when.
 */
#ifndef QUARRY_GUARD_H
#define QUARRY_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/quarry.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * From now on about one allocation in `every` (1 or more) of at most 4096 bytes is guarded, as long
 * as one of the QUARRY_GUARD_OBJECTS places is free. Those that miss the CPU's cache are chosen, so
 * that the fast path need not look. Called again, only changes the rate. Interrupts on, not in a
 * handler. QUARRY_BAD_SETUP: `every` is 0, or the port gave no set_access; QUARRY_NO_MEMORY: no
 * room for the pages.
 */
enum quarry_status quarry_guard_start(unsigned every);

/* No more allocations are guarded. Those that are stay so until they are freed. */
void quarry_guard_stop(void);

/*
 * For the page fault handler: if `address` belongs to a guarded object, stops with a report (what
 * was done, to which object, by the instruction at `instruction`, who allocated and who freed it).
 * Returns if not: then the fault is none of Quarry's. Any context.
 */
void quarry_guard_fault(const void *address, bool write, const void *instruction);

/* ---- leaks ---- */

/* Objects allocated from now on are "since" the mark that is returned. */
size_t quarry_leak_mark(void);

/* Live objects that were allocated by one call. */
struct quarry_leak {
    const void
        *allocated_by; /* the instruction behind the call; NULL: several, that found no room */
    size_t objects;
    size_t bytes; /* as asked for */
};

/*
 * What lives and was allocated since `mark` (0: ever), by the place that allocated it, most bytes
 * first; returns how many entries of `leaks` were written. Where there are more than `capacity` (1
 * or more) places, the last entry sums up the rest. Guarded objects are not among them. At rest
 * only; takes time in proportion to the memory in use. Below level 2 of hardening nothing is known:
 * 0.
 */
size_t quarry_leak_report(size_t mark, struct quarry_leak *leaks, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
