/* SPDX-License-Identifier: MIT */
/* Call stacks: which callers are found, how many, and how they are printed. */
#include "mm/debug/call_stack.h"

#include <quarry/config.h>

#include "lib/check.h"
#include "tests/framework/test.h"

/* Nothing may be written behind the stack. */
static struct {
    struct call_stack stack;
    uintptr_t behind;
} recorded;

#define KEEP_FRAME __asm__ volatile("" : : : "memory") /* no tail call */

static __attribute__((__noinline__)) void innermost(void)
{
    call_stack_take(&recorded.stack, __builtin_return_address(0));
    KEEP_FRAME;
}

static __attribute__((__noinline__)) void middle(void)
{
    innermost();
    KEEP_FRAME;
}

static __attribute__((__noinline__)) void outermost(void)
{
    middle();
    KEEP_FRAME;
}

static __attribute__((__noinline__)) void deep(unsigned depth)
{
    if (depth == 0)
        innermost();
    else
        deep(depth - 1);
    KEEP_FRAME;
}

static bool is_in(const void *instruction, void (*function)(void))
{
    return (uintptr_t)instruction > (uintptr_t)function &&
           (uintptr_t)instruction < (uintptr_t)function + 64;
}

TEST(call_stack_has_the_callers)
{
    outermost();
    EXPECT(is_in(recorded.stack.callers[0], middle));
    EXPECT((recorded.stack.callers[1] != NULL) == QUARRY_FRAME_POINTERS);
    if (QUARRY_FRAME_POINTERS) {
        EXPECT(is_in(recorded.stack.callers[1], outermost));
        EXPECT(recorded.stack.callers[2] != NULL);
        EXPECT(recorded.stack.callers[2] != recorded.stack.callers[1]);
    }
    /* A caller that is not on the stack is the only entry. */
    call_stack_take(&recorded.stack, &recorded);
    EXPECT(recorded.stack.callers[0] == &recorded && recorded.stack.callers[1] == NULL);
}

TEST(call_stack_stops_when_full)
{
    recorded.behind = 4711;
    deep(3 * CALL_STACK_DEPTH);
    EXPECT((recorded.stack.callers[CALL_STACK_DEPTH - 1] != NULL) == QUARRY_FRAME_POINTERS);
    EXPECT(recorded.behind == 4711);
}

static void print_full_stack(void *unused)
{
    (void)unused;
    for (uintptr_t i = 0; i < CALL_STACK_DEPTH; i++)
        recorded.stack.callers[i] = (void *)(0x1000 + i);
    recorded.behind = 4711;
    report_begin();
    report_add("quarry: a report");
    call_stack_add("called by", &recorded.stack);
    report_stop();
}

TEST(call_stack_is_printed_completely)
{
    _Static_assert(CALL_STACK_DEPTH == 8, "as many lines as below");
    test_heap_fresh();
    test_expect_report(
        print_full_stack, NULL,
        "quarry: a report\n  called by\n    0x*1000\n    0x*1001\n    0x*1002\n    0x*1003\n"
        "    0x*1004\n    0x*1005\n    0x*1006\n    0x*1007");
}
