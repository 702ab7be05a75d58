/* SPDX-License-Identifier: MIT */
/*
 * Call stacks for reports. With frame pointers (QUARRY_FRAME_POINTERS): the callers, from the
 * program's call into Quarry outwards. Without: that call alone.
 */
#ifndef MM_DEBUG_CALL_STACK_H
#define MM_DEBUG_CALL_STACK_H

#include <stddef.h>

#define CALL_STACK_DEPTH 8u

struct call_stack {
    const void *callers[CALL_STACK_DEPTH]; /* NULL behind the last */
};

/* `caller` is the instruction behind the program's call into Quarry. */
void call_stack_take(struct call_stack *stack, const void *caller);

/* Lines of a report: a title, then a caller per line. */
void call_stack_add(const char *title, const struct call_stack *stack);

#endif
