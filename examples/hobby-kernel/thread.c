/* SPDX-License-Identifier: MIT */
/* Threads; see thread.h. A thread is an object of Quarry; its stack is four frames. */
#include "thread.h"

#define STACK_ORDER 2
#define STACK_BYTES (PAGE_BYTES << STACK_ORDER)
#define TICKS_PER_SCAVENGE 100

struct thread {
    void *stack_pointer; /* valid while it does not run */
    struct list node;    /* in `runnable` or in a semaphore */
    uint64_t stack;      /* physical address; 0: an idle thread, on the CPU's first stack */
    unsigned cpu;        /* the CPU on which it ran last */
    void (*run)(void *argument);
    void *argument;
};

void switch_stacks(void **save, void *load);

static struct spinlock scheduler; /* guards the following, semaphores, and each CPU's threads */
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

/* Runs after every switch, on the new thread's stack. Releases the lock that the old one acquired.
 */
static void after_switch(void)
{
    struct cpu *cpu = this_cpu();
    struct thread *ended = cpu->ended;
    cpu->ended = NULL;
    moves += cpu->current->stack != 0 && cpu->current->cpu != cpu->number;
    cpu->current->cpu = cpu->number;
    spinlock_release_masked(&scheduler);
    if (ended != NULL)
        thread_free(ended);
}

/* The lock is held, interrupts are off. Returns when a CPU runs this thread again. */
static void switch_away(void)
{
    struct cpu *cpu = this_cpu();
    struct thread *previous = cpu->current;
    struct list *node = list_pop(&runnable);
    cpu->current = node != NULL ? container_of(node, struct thread, node) : cpu->idle;
    if (cpu->current != previous)
        switch_stacks(&previous->stack_pointer, cpu->current->stack_pointer);
    after_switch();
}

void thread_tick(void)
{
    spinlock_acquire_masked(&scheduler);
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
    spinlock_acquire_masked(&scheduler);
    this_cpu()->ended = this_cpu()->current;
    switch_away();
    panic("a thread runs after its end");
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
    *--top = 0; /* the return address of thread_begin(), which does not return */
    *--top = (uint64_t)thread_begin;
    top -= 6; /* the registers that switch_stacks() pops */
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
        spinlock_release_masked(&scheduler);
    } else { /* semaphore_up() wakes this thread and leaves the count at 0 */
        list_add(&semaphore->waiting, &this_cpu()->current->node);
        switch_away();
    }
    irq_restore(flags);
}

void semaphore_up(struct semaphore *semaphore)
{
    uint64_t flags = spinlock_acquire(&scheduler);
    struct list *node = list_pop(&semaphore->waiting);
    if (node != NULL)
        list_add(&runnable, node);
    else
        semaphore->count++;
    spinlock_release(&scheduler, flags);
}
