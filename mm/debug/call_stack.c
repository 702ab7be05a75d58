/* SPDX-License-Identifier: MIT */
/* Call stacks by frame pointers; see call_stack.h. */
#include "mm/debug/call_stack.h"

#include <stdbool.h>
#include <stdint.h>

#include <quarry/config.h>

#include "lib/check.h"

/* What a function with a frame pointer leaves on the stack. */
struct frame {
    const struct frame *outer;
    const void *caller;
};

/* Kernel stacks are not larger; a pointer beyond this distance is no frame of this stack. */
#define STACK_BYTES_MAX ((uintptr_t)64 * 1024)

/* Whether `outer` can be the frame around `inner`; else it is not read. */
static bool is_next(const struct frame *inner, const struct frame *outer)
{
    uintptr_t distance = (uintptr_t)outer - (uintptr_t)inner;
    return (uintptr_t)outer % sizeof(void *) == 0 && outer > inner && distance < STACK_BYTES_MAX;
}

/* The frame that returns to `caller`; NULL where there are no frame pointers to follow. */
static const struct frame *frame_of(const struct frame *frame, const void *caller)
{
    for (unsigned i = 0; i < CALL_STACK_DEPTH && frame->caller != caller; i++) {
        if (!is_next(frame, frame->outer))
            return NULL;
        frame = frame->outer;
    }
    return frame->caller == caller ? frame : NULL;
}

__attribute__((__noinline__)) void call_stack_take(struct call_stack *stack, const void *caller)
{
    *stack = (struct call_stack){{caller}};
    if (!QUARRY_FRAME_POINTERS)
        return;
    const struct frame *frame = frame_of(__builtin_frame_address(0), caller);
    if (frame == NULL)
        return;
    for (unsigned i = 1; i < CALL_STACK_DEPTH; i++) {
        if (!is_next(frame, frame->outer))
            return;
        frame = frame->outer;
        stack->callers[i] = frame->caller;
    }
}

void call_stack_add(const char *title, const struct call_stack *stack)
{
    report_add("\n  %s", title);
    for (unsigned i = 0; i < CALL_STACK_DEPTH && stack->callers[i] != NULL; i++)
        report_add("\n    %p", stack->callers[i]);
}
