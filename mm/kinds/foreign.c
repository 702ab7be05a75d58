/* SPDX-License-Identifier: MIT */
/* The operations of the foreign kind; see foreign.h. */
#include "mm/kinds/foreign.h"

#include "mm/debug/misuse.h"

static void report(struct span *span, const void *address, const char *operation)
{
    (void)span;
    misuse_stop(operation, address, NULL);
}

static void free_foreign(struct span *span, void *object, const void *caller)
{
    (void)caller;
    report(span, object, "free");
}

static size_t usable_bytes(struct span *span, const void *object, const char *operation)
{
    report(span, object, operation);
    return 0;
}

/* `fits` and `resize` come after `usable_bytes`, which stops; no span has this kind to verify. */
const struct object_kind foreign_kind = {
    .free = free_foreign,
    .usable_bytes = usable_bytes,
    .report = report,
};
