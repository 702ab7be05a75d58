/* SPDX-License-Identifier: MIT */
/* Which kind answers for an address; see object_kind.h. */
#include "mm/pages/object_kind.h"

#include "lib/atomic.h"
#include "lib/check.h"

struct object_range {
    const struct object_kind *kind;
    uintptr_t base;
    size_t bytes;
};

const struct object_kind *object_kinds[SPAN_KINDS];

static const struct object_kind *foreign_memory;
static struct object_range ranges[OBJECT_RANGES_MAX];
static unsigned range_count; /* atomic: published when the range is complete */

void object_kinds_init(const struct object_kind *foreign)
{
    foreign_memory = foreign;
    for (unsigned i = 0; i < SPAN_KINDS; i++)
        object_kinds[i] = NULL;
    atomic_store_relaxed(&range_count, 0);
}

void object_kind_register(enum span_kind kind, const struct object_kind *operations)
{
    object_kinds[kind] = operations;
}

void object_kind_register_range(const struct object_kind *operations, uintptr_t base, size_t bytes)
{
    unsigned count = atomic_load_relaxed(&range_count);
    CHECK(count < OBJECT_RANGES_MAX, "quarry: more than %u ranges of objects outside the heap",
          OBJECT_RANGES_MAX);
    ranges[count] = (struct object_range){operations, base, bytes};
    atomic_store_release(&range_count, count + 1);
}

const struct object_kind *object_kind_of_range(const void *address)
{
    unsigned count = atomic_load_acquire(&range_count);
    for (unsigned i = 0; i < count; i++)
        if ((uintptr_t)address - ranges[i].base < ranges[i].bytes)
            return ranges[i].kind;
    return foreign_memory;
}
