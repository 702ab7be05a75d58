/* SPDX-License-Identifier: MIT */
/* Threads; see thread.h. A thread is an object; its stack is four frames. */
#include "thread.h"

#define STACK_ORDER 2
#define STACK_BYTES (PAGE_BYTES << STACK_ORDER)
#define TICKS_PER_SCAVENGE 100

struct thread {
    void *stack_pointer; /* while it does not run */
    struct list node;    /* in `runnable` or in a semaphore */
    uint64_t stack;      /* physical; 0: an idle thread's, which is not ours */
    unsigned cpu;        /* where it ran last */
    void (*run)(void *argument);
    void *argument;
};

void switch_stacks(void **save, void *load);

static struct spinlock scheduler; /* guards all below, the semaphores, and each CPU's threads */
static struct list runnable = {&runnable, &runnable};
static unsigned long moves;
bool quiet;

unsigned long thread_moves(void)
{
    return moves;
}

static struct thread *thread_new(void)
{
    struct thread *thread = quarry_zeroed(sizeof *thread);
    if (thread == NULL)
        panic("no memory for a thread");
    return thread;
}

static void thread_free(struct thread *thread)
{
    quarry_frame_free(thread->stack, STACK_ORDER);
    quarry_free_sized(thread, sizeof *thread);
}

/* On the stack of the thread that now runs, which took the lock when it left, or is new. */
static void after_switch(void)
{
    struct cpu *cpu = this_cpu();
    struct thread *ended = cpu->ended;
    cpu->ended = NULL;
    moves += cpu->current->stack != 0 && cpu->current->cpu != cpu->number;
    cpu->current->cpu = cpu->number;
    spinlock_give(&scheduler);
    if (ended != NULL)
        thread_free(ended);
}

/* The lock is held; interrupts are off. Comes back when somebody chooses this thread again. */
static void switch_away(void)
{
    struct cpu *cpu = this_cpu();
    struct thread *previous = cpu->current;
    struct list *node = list_take(&runnable);
    cpu->current = node != NULL ? container_of(node, struct thread, node) : cpu->idle;
    if (cpu->current != previous)
        switch_stacks(&previous->stack_pointer, cpu->current->stack_pointer);
    after_switch();
}

void thread_tick(void)
{
    spinlock_take(&scheduler);
    struct cpu *cpu = this_cpu();
    if (cpu->current != cpu->idle)
        list_add(&runnable, &cpu->current->node);
    switch_away();
}

static _Noreturn void thread_begin(void)
{
    after_switch();
    irq_restore(0x202);
    struct thread *self = this_cpu()->current;
    self->run(self->argument);
    irq_save();
    spinlock_take(&scheduler);
    this_cpu()->ended = this_cpu()->current;
    switch_away();
    panic("a thread that ended runs");
}

bool thread_start(void (*run)(void *argument), void *argument)
{
    uint64_t stack = quarry_frame_alloc(STACK_ORDER);
    if (stack == 0)
        return false;
    struct thread *thread = thread_new();
    thread->stack = stack;
    thread->run = run;
    thread->argument = argument;
    uint64_t *top = (uint64_t *)at_physical(stack + STACK_BYTES);
    *--top = 0; /* as if thread_begin() had been called */
    *--top = (uint64_t)thread_begin;
    top -= 6; /* what switch_stacks() takes off */
    thread->stack_pointer = top;
    uint64_t flags = spinlock_acquire(&scheduler);
    thread->cpu = this_cpu()->number;
    list_add(&runnable, &thread->node);
    spinlock_release(&scheduler, flags);
    return true;
}

void thread_init_cpu(struct cpu *cpu)
{
    cpu->idle = thread_new();
    cpu->current = cpu->idle;
}

void thread_idle(void)
{
    for (unsigned long tick = 0;; tick++) {
        __asm__ volatile("sti\n\thlt");
        if (tick % TICKS_PER_SCAVENGE == 0 && !quiet)
            quarry_scavenge_step();
    }
}

void semaphore_init(struct semaphore *semaphore, unsigned count)
{
    semaphore->count = count;
    list_init(&semaphore->waiting);
}

void semaphore_down(struct semaphore *semaphore)
{
    uint64_t flags = spinlock_acquire(&scheduler);
    if (semaphore->count > 0) {
        semaphore->count--;
        spinlock_give(&scheduler);
    } else { /* who raises it hands the unit over: the count stays 0 */
        list_add(&semaphore->waiting, &this_cpu()->current->node);
        switch_away();
    }
    irq_restore(flags);
}

void semaphore_up(struct semaphore *semaphore)
{
    uint64_t flags = spinlock_acquire(&scheduler);
    struct list *node = list_take(&semaphore->waiting);
    if (node != NULL)
        list_add(&runnable, node);
    else
        semaphore->count++;
    spinlock_release(&scheduler, flags);
}
