/* SPDX-License-Identifier: MIT */
/* One execution: the CPUs as coroutines, and the choice of the next CPU; see scheduler.h. */
#include "tests/explore/scheduler.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <quarry_arch.h>

#include "arch/linux/host.h"
#include "lib/random.h"
#include "tests/explore/execution.h"

#define STACK_BYTES ((size_t)64 * 1024)
#define PAUSES_MAX 10000u /* pauses of an execution; more means that no CPU makes progress */
#define HOLD_ONE_IN 16u   /* random executions: of so many stores one is held */

/* ---- the CPUs of the current execution ---- */

struct cpu {
    ucontext_t context;
    struct linux_cpu state; /* the value of linux_cpu while this CPU runs */
    unsigned char *stack;
    unsigned long operations; /* atomic operations since its turn began */
    unsigned priority;        /* random executions: the highest runs */
    bool finished;
    bool waiting;            /* paused, and no other CPU has written since */
    void (*interrupt)(void); /* the handler of an interrupt that has arrived; NULL: none */
};

struct execution execution = {.running = NO_CPU};

static struct cpu cpus[EXPLORE_CPUS_MAX];
static ucontext_t scheduler_context;
static struct linux_cpu outside; /* linux_cpu between executions */
static unsigned long pauses;
static size_t replayed; /* the number of turns of a replayed schedule that have begun */

static struct random random_source;
static unsigned long changes[3]; /* random executions: the points at which priorities change */

static bool stopped;
static bool checking; /* the program's check runs; a stop jumps to check_left */
static jmp_buf check_left;
static char stop_report[1024];

bool execution_is_private(uintptr_t address)
{
    return address - (uintptr_t)cpus[execution.running].stack < STACK_BYTES ||
           address - (uintptr_t)&linux_cpu < sizeof linux_cpu;
}

/* ---- words that more than one CPU accesses ---- */

#define WORDS 8192u

struct word {
    const volatile void *address;
    uint8_t accessed_by;
    bool written;
};

static struct word words[WORDS];

static bool is_shared(const struct word *word)
{
    return word->written && (word->accessed_by & (word->accessed_by - 1)) != 0;
}

static bool note_access(const volatile void *address, bool writes)
{
    size_t place = ((uintptr_t)address >> 1) * 0x9e3779b97f4a7c15u >> 51;
    size_t last = place + WORDS;
    while (words[place % WORDS].address != NULL && words[place % WORDS].address != address)
        if (++place == last)
            return true; /* the table is full; an unnecessary choice is harmless */
    struct word *word = &words[place % WORDS];
    bool was_shared = is_shared(word);
    word->address = address;
    word->accessed_by |= (uint8_t)(1u << execution.running);
    word->written |= writes;
    if (is_shared(word) && !was_shared) {
        execution.words_grew = true;
        execution.prefix = execution.choice_count;
    }
    return is_shared(word);
}

void execution_forget_words(void)
{
    memset(words, 0, sizeof words);
}

/* ---- failures ---- */

void explore_fail(const char *text, const char *file, int line)
{
    if (!execution.failed)
        snprintf(execution.failure, sizeof execution.failure, "%s:%d: %s", file, line, text);
    execution.failed = true;
}

void execution_leave(void)
{
    cpus[execution.running].state = linux_cpu;
    execution.running = NO_CPU;
    setcontext(&scheduler_context);
    abort();
}

static void on_panic(const char *report)
{
    snprintf(stop_report, sizeof stop_report, "%s", report);
    stopped = true;
    if (execution.running != NO_CPU)
        execution_leave();
    if (checking) {
        explore_fail(report, "stop in the check", 0);
        longjmp(check_left, 1);
    }
    fprintf(stderr, "%s: in the setup: %s\n", execution.program->name, report);
    exit(1);
}

/* ---- choosing ---- */

static unsigned enabled_mask(void)
{
    unsigned enabled = 0;
    unsigned unfinished = 0;
    for (unsigned i = 0; i < execution.program->cpus; i++) {
        unfinished |= (unsigned)!cpus[i].finished << i;
        enabled |= (unsigned)(!cpus[i].finished && !cpus[i].waiting) << i;
    }
    return enabled != 0 ? enabled : unfinished; /* all wait: let them check again */
}

static unsigned lowest(unsigned mask)
{
    return (unsigned)__builtin_ctz(mask);
}

static unsigned choose_exhaustively(unsigned enabled, unsigned current)
{
    struct choice *choice = &execution.choices[execution.choice_count];
    bool prescribed = execution.choice_count < execution.prefix;
    bool deterministic = !prescribed || choice->enabled == enabled;
    if (execution.choice_count == CHOICES_MAX || !deterministic) {
        explore_fail(deterministic ? "too many choices" : "execution is not deterministic",
                     __FILE__, __LINE__);
        execution_leave();
    }
    execution.choice_count++;
    if (!prescribed) {
        bool continues = current != NO_CPU && (enabled >> current & 1);
        choice->chosen = (uint8_t)(continues ? current : lowest(enabled));
    }
    choice->enabled = (uint8_t)enabled;
    choice->current = (uint8_t)current;
    return choice->chosen;
}

static unsigned choose_randomly(unsigned enabled, unsigned current)
{
    for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++)
        if (current != NO_CPU && changes[i] == execution.points)
            cpus[current].priority = i; /* below all initial priorities */
    unsigned best = lowest(enabled);
    for (unsigned i = 0; i < execution.program->cpus; i++)
        if ((enabled >> i & 1) && cpus[i].priority > cpus[best].priority)
            best = i;
    return best;
}

static unsigned choose_as_replayed(unsigned enabled, unsigned current)
{
    const struct turn *turns = execution.turns;
    if (current != NO_CPU && (enabled >> current & 1) && replayed > 0 &&
        cpus[current].operations < turns[replayed - 1].operations)
        return current;
    if (replayed < execution.turn_count && (enabled >> turns[replayed].cpu & 1))
        return turns[replayed++].cpu;
    return current != NO_CPU && (enabled >> current & 1) ? current : lowest(enabled);
}

static unsigned choose(unsigned enabled, unsigned current)
{
    if (execution.mode == MODE_REPLAY)
        return choose_as_replayed(enabled, current);
    if (execution.mode == MODE_RANDOM)
        return choose_randomly(enabled, current);
    if ((enabled & (enabled - 1)) == 0)
        return lowest(enabled);
    return choose_exhaustively(enabled, current);
}

/* ---- turns ---- */

static void open_turn(unsigned cpu)
{
    if (execution.mode != MODE_REPLAY && execution.turn_count < TURNS_MAX)
        execution.turns[execution.turn_count++] = (struct turn){.cpu = cpu};
    cpus[cpu].operations = 0;
}

static void close_turn(unsigned cpu, bool holds)
{
    if (execution.mode == MODE_REPLAY || execution.turn_count == 0)
        return;
    execution.turns[execution.turn_count - 1].operations = cpus[cpu].operations;
    execution.turns[execution.turn_count - 1].holds = holds;
}

static void switch_to(unsigned next)
{
    struct cpu *from = &cpus[execution.running];
    struct cpu *to = &cpus[next];
    close_turn(execution.running, false);
    from->state = linux_cpu;
    linux_cpu = to->state;
    execution.running = next;
    open_turn(next);
    swapcontext(&from->context, &to->context);
}

static bool replays_a_hold(void)
{
    if (replayed == 0)
        return false;
    const struct turn *turn = &execution.turns[replayed - 1];
    if (!turn->holds || turn->operations != cpus[execution.running].operations)
        return false;
    replayed++; /* the next turn is this CPU's too */
    cpus[execution.running].operations = 0;
    return true;
}

bool execution_chooses_to_hold(void)
{
    if (execution.mode == MODE_REPLAY)
        return replays_a_hold();
    bool holds = execution.mode == MODE_RANDOM ? random_below(&random_source, HOLD_ONE_IN) == 0
                                               : choose_exhaustively(3, 0) == 1;
    if (holds) {
        close_turn(execution.running, true);
        open_turn(execution.running);
    }
    return holds;
}

/* ---- points ---- */

void execution_wake_others(void)
{
    for (unsigned i = 0; i < execution.program->cpus; i++)
        if (i != execution.running)
            cpus[i].waiting = false;
}

/* Interrupts of this CPU are handled at points, unless they are masked. */
static void handle_interrupt(void)
{
    struct cpu *cpu = &cpus[execution.running];
    if (cpu->interrupt == NULL || linux_cpu.irq_depth > 0)
        return;
    void (*handler)(void) = cpu->interrupt;
    cpu->interrupt = NULL;
    linux_cpu.irq_depth = 1;
    handler();
    linux_cpu.irq_depth = 0;
}

void explore_interrupt(unsigned cpu, void (*handler)(void))
{
    if (execution.running == NO_CPU)
        return;
    cpus[cpu].interrupt = handler;
    cpus[cpu].finished = cpus[cpu].waiting = false;
}

bool execution_point(const volatile void *word, bool writes)
{
    execution.points++;
    bool shared = note_access(word, writes);
    if (shared || execution.mode != MODE_EXHAUSTIVE) {
        unsigned next = choose(enabled_mask(), execution.running);
        if (next != execution.running)
            switch_to(next);
    }
    handle_interrupt();
    cpus[execution.running].operations++;
    return shared || execution.mode == MODE_REPLAY; /* a replay has not learnt the words */
}

static void pause(void)
{
    if (execution.running == NO_CPU)
        return;
    store_buffer_drain();
    if (++pauses > PAUSES_MAX) {
        explore_fail("all CPUs wait and nothing changes", __FILE__, __LINE__);
        execution_leave();
    }
    struct cpu *cpu = &cpus[execution.running];
    cpu->waiting = true;
    if (execution.mode == MODE_RANDOM && cpu->priority >= sizeof changes / sizeof changes[0])
        cpu->priority -= 1 + (unsigned)random_below(&random_source, 2);
    unsigned next = choose(enabled_mask(), execution.running);
    cpus[next].waiting = false;
    if (next != execution.running)
        switch_to(next);
    handle_interrupt();
}

/* Other CPUs may run before the last stores are seen. */
static void finish(void)
{
    if (!store_buffer_is_empty()) {
        unsigned next = choose(enabled_mask(), execution.running);
        if (next != execution.running)
            switch_to(next);
    }
    store_buffer_drain();
    handle_interrupt();
    store_buffer_drain();
    cpus[execution.running].finished = true;
    execution_wake_others();
}

static void cpu_main(void)
{
    execution.program->cpu[execution.running]();
    finish();
    unsigned enabled;
    while ((enabled = enabled_mask()) != 0) {
        switch_to(choose(enabled, execution.running));
        finish(); /* an interrupt has come */
    }
    close_turn(execution.running, false);
    execution_leave();
}

/* ---- one execution ---- */

void explore_as_cpu(unsigned cpu, void (*work)(void))
{
    struct linux_cpu saved = linux_cpu;
    linux_cpu = cpus[cpu].state;
    work();
    cpus[cpu].state = linux_cpu;
    linux_cpu = saved;
}

static void prepare_cpu(unsigned number)
{
    struct cpu *cpu = &cpus[number];
    if (cpu->stack == NULL)
        cpu->stack = malloc(STACK_BYTES);
    getcontext(&cpu->context);
    cpu->context.uc_stack.ss_sp = cpu->stack;
    cpu->context.uc_stack.ss_size = STACK_BYTES;
    cpu->context.uc_link = NULL;
    makecontext(&cpu->context, cpu_main, 0);
    cpu->finished = cpu->waiting = false;
    cpu->interrupt = NULL;
    cpu->operations = 0;
    cpu->priority = 100 + (unsigned)random_below(&random_source, 100);
    cpu->state = (struct linux_cpu){.number = number, .block = &linux_blocks[number].cpu};
}

static void run_cpus(void)
{
    volatile bool begun = false;
    getcontext(&scheduler_context);
    if (begun)
        return; /* execution_leave() continues here */
    begun = true;
    races_begin();
    store_buffers_begin();
    execution.running = 0; /* valid for choose(), which may choose another CPU */
    unsigned first = choose(enabled_mask(), NO_CPU);
    execution.running = first;
    linux_cpu = cpus[first].state;
    open_turn(first);
    setcontext(&cpus[first].context);
}

static void judge_stop(void)
{
    const char *expected = execution.program->stop;
    if (expected == NULL && stopped)
        explore_fail(stop_report, "unexpected stop", 0);
    else if (expected != NULL && !stopped)
        explore_fail("an expected stop is missing", __FILE__, __LINE__);
    else if (expected != NULL && strstr(stop_report, expected) == NULL)
        explore_fail(stop_report, "a stop with another report", 0);
}

static void check(void)
{
    checking = true;
    if (setjmp(check_left) == 0)
        execution.program->check();
    checking = false;
}

static void run_program(void)
{
    memset(linux_blocks, 0, sizeof linux_blocks);
    outside = linux_cpu = (struct linux_cpu){.block = &linux_blocks[0].cpu};
    execution.program->setup();
    outside = linux_cpu;
    run_cpus();
    linux_cpu = outside;
}

void execution_set_seed(unsigned long seed, unsigned long expected_points)
{
    random_source = random_seeded(seed);
    for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++)
        changes[i] = 1 + random_below(&random_source, expected_points);
}

void execution_run(const struct explore_program *program, enum execution_mode mode)
{
    execution.program = program;
    execution.mode = mode;
    execution.choice_count = 0;
    execution.points = pauses = 0;
    if (mode != MODE_REPLAY)
        execution.turn_count = 0;
    replayed = 0;
    execution.failed = execution.pruned = stopped = false;
    host_on_panic(on_panic);
    host_on_pause(pause);
    for (unsigned i = 0; i < EXPLORE_CPUS_MAX; i++)
        prepare_cpu(i);
    run_program();
    if (!execution.pruned && !execution.failed)
        judge_stop();
    if (!execution.pruned && !execution.failed && !stopped && program->check != NULL)
        check();
    host_on_panic(NULL);
    host_on_pause(NULL);
}
