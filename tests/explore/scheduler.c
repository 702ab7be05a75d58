/* SPDX-License-Identifier: MIT */
/* Executions and the choice of the next CPU; see scheduler.h. */
#include "tests/explore/scheduler.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <quarry_arch.h>

#include "arch/linux/host.h"
#include "lib/atomic.h"
#include "lib/random.h"

#define STACK_BYTES ((size_t)64 * 1024)
#define CHOICES_MAX 65536u
#define SWITCHES_MAX 65536u
#define TURNS_PRINTED 200u
#define PAUSES_MAX 10000u /* pauses of an execution; more means that no CPU makes progress */
#define NO_CPU EXPLORE_CPUS_MAX

/* ---- the CPUs of the current execution ---- */

struct cpu {
    ucontext_t context;
    struct linux_cpu state; /* the value of linux_cpu while this CPU runs */
    unsigned char *stack;
    unsigned long operations; /* atomic operations since its turn began */
    unsigned priority;        /* random executions: the highest runs */
    bool finished;
    bool waiting; /* paused, and no other CPU has written since */
};

/* The CPUs that could continue at a point, and the chosen one. */
struct choice {
    uint8_t enabled; /* a bit per CPU */
    uint8_t current; /* the CPU that was running; NO_CPU at the start */
    uint8_t chosen;
};

/* One turn of a CPU, as in a printed schedule. */
struct turn {
    unsigned cpu;
    unsigned long operations;
};

enum mode { EXHAUSTIVE, RANDOM, REPLAY };

static struct cpu cpus[EXPLORE_CPUS_MAX];
static ucontext_t scheduler_context;
static struct linux_cpu outside; /* linux_cpu between executions */

static const struct explore_program *program;
static enum mode mode;
static unsigned running = NO_CPU; /* NO_CPU: outside an execution; points do nothing */
static unsigned long pauses;
static unsigned long points;

static struct choice choices[CHOICES_MAX];
static size_t choice_count;
static size_t prefix; /* the first `prefix` choices are prescribed by choices[].chosen */

static struct turn turns[SWITCHES_MAX];
static size_t turn_count;
static size_t replayed; /* the number of turns of a replayed schedule that have begun */

static struct random random_source;
static unsigned long expected_points; /* from the previous execution */
static unsigned long changes[3];      /* random executions: the points at which priorities change */

static bool failed;
static char failure[2048];
static bool stopped;
static bool checking; /* the program's check runs; a stop jumps to check_left */
static jmp_buf check_left;
static char stop_report[1024];

/* ---- words that more than one CPU accesses ---- */

#define WORDS 8192u

struct word {
    const volatile void *address;
    uint8_t accessed_by;
};

static struct word words[WORDS];
static bool words_grew;

static bool is_shared(const volatile void *address)
{
    size_t place = ((uintptr_t)address >> 1) * 0x9e3779b97f4a7c15u >> 51;
    size_t last = place + WORDS;
    while (words[place % WORDS].address != NULL && words[place % WORDS].address != address)
        if (++place == last)
            return true; /* the table is full; an unnecessary choice is harmless */
    struct word *word = &words[place % WORDS];
    uint8_t before = word->accessed_by;
    word->address = address;
    word->accessed_by |= (uint8_t)(1u << running);
    bool shared = (word->accessed_by & (word->accessed_by - 1)) != 0;
    if (shared && (before & (before - 1)) == 0) {
        words_grew = true;
        prefix = choice_count; /* the prescribed choices no longer match the points */
    }
    return shared;
}

static void forget_words(void)
{
    memset(words, 0, sizeof words);
}

/* ---- failures ---- */

void explore_fail(const char *text, const char *file, int line)
{
    if (!failed)
        snprintf(failure, sizeof failure, "%s:%d: %s", file, line, text);
    failed = true;
}

/* Ends the execution. CPUs that have not finished are dropped. */
static _Noreturn void leave_execution(void)
{
    cpus[running].state = linux_cpu;
    running = NO_CPU;
    setcontext(&scheduler_context);
    abort();
}

static void on_panic(const char *report)
{
    snprintf(stop_report, sizeof stop_report, "%s", report);
    stopped = true;
    if (running != NO_CPU)
        leave_execution();
    if (checking) {
        explore_fail(report, "stop in the check", 0);
        longjmp(check_left, 1);
    }
    fprintf(stderr, "%s: in the setup: %s\n", program->name, report);
    exit(1);
}

/* ---- choosing ---- */

static unsigned enabled_mask(void)
{
    unsigned enabled = 0;
    unsigned unfinished = 0;
    for (unsigned i = 0; i < program->cpus; i++) {
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
    struct choice *choice = &choices[choice_count];
    bool deterministic = choice_count >= prefix || choice->enabled == enabled;
    if (choice_count == CHOICES_MAX || !deterministic) {
        explore_fail(deterministic ? "too many choices" : "execution is not deterministic",
                     __FILE__, __LINE__);
        leave_execution();
    }
    if (choice_count++ >= prefix) {
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
        if (current != NO_CPU && changes[i] == points)
            cpus[current].priority = i; /* below all initial priorities */
    unsigned best = lowest(enabled);
    for (unsigned i = 0; i < program->cpus; i++)
        if ((enabled >> i & 1) && cpus[i].priority > cpus[best].priority)
            best = i;
    return best;
}

static unsigned choose_as_replayed(unsigned enabled, unsigned current)
{
    if (current != NO_CPU && (enabled >> current & 1) && replayed > 0 &&
        cpus[current].operations < turns[replayed - 1].operations)
        return current;
    if (replayed < turn_count && (enabled >> turns[replayed].cpu & 1))
        return turns[replayed++].cpu;
    return current != NO_CPU && (enabled >> current & 1) ? current : lowest(enabled);
}

static unsigned choose(unsigned enabled, unsigned current)
{
    if (mode == REPLAY)
        return choose_as_replayed(enabled, current);
    if (mode == RANDOM)
        return choose_randomly(enabled, current);
    if ((enabled & (enabled - 1)) == 0)
        return lowest(enabled);
    return choose_exhaustively(enabled, current);
}

/* ---- switching ---- */

static void note_turn(unsigned cpu)
{
    if (mode != REPLAY && turn_count < SWITCHES_MAX)
        turns[turn_count++] = (struct turn){.cpu = cpu};
    cpus[cpu].operations = 0;
}

static void close_turn(unsigned cpu)
{
    if (mode != REPLAY && turn_count > 0)
        turns[turn_count - 1].operations = cpus[cpu].operations;
}

static void switch_to(unsigned next)
{
    struct cpu *from = &cpus[running];
    struct cpu *to = &cpus[next];
    close_turn(running);
    from->state = linux_cpu;
    linux_cpu = to->state;
    running = next;
    note_turn(next);
    swapcontext(&from->context, &to->context);
}

/* The running CPU may have changed something, so waiting CPUs may check again. */
static void wake_others(void)
{
    for (unsigned i = 0; i < program->cpus; i++)
        if (i != running)
            cpus[i].waiting = false;
}

void schedule_point(const volatile void *word, bool writes)
{
    if (running == NO_CPU)
        return;
    points++;
    bool shared = is_shared(word);
    if (shared || mode != EXHAUSTIVE) {
        unsigned next = choose(enabled_mask(), running);
        if (next != running)
            switch_to(next);
    }
    cpus[running].operations++;
    if (writes)
        wake_others();
}

static void pause(void)
{
    if (running == NO_CPU)
        return;
    if (++pauses > PAUSES_MAX) {
        explore_fail("all CPUs wait and nothing changes", __FILE__, __LINE__);
        leave_execution();
    }
    cpus[running].waiting = true;
    if (mode == RANDOM && cpus[running].priority >= sizeof changes / sizeof changes[0])
        cpus[running].priority -= 1 + (unsigned)random_below(&random_source, 2);
    unsigned next = choose(enabled_mask(), running);
    cpus[next].waiting = false;
    if (next != running)
        switch_to(next);
}

static void cpu_main(void)
{
    program->cpu[running]();
    cpus[running].finished = true;
    wake_others();
    unsigned enabled = enabled_mask();
    if (enabled != 0) {
        unsigned next = choose(enabled, running);
        switch_to(next);
    }
    close_turn(running);
    leave_execution();
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
    cpu->operations = 0;
    cpu->priority = 100 + (unsigned)random_below(&random_source, 100);
    cpu->state = (struct linux_cpu){.number = number, .block = &linux_blocks[number].cpu};
}

static void run_cpus(void)
{
    volatile bool begun = false;
    getcontext(&scheduler_context);
    if (begun)
        return; /* leave_execution() continues here */
    begun = true;
    running = 0; /* valid for choose(), which may choose another CPU */
    unsigned first = choose(enabled_mask(), NO_CPU);
    running = first;
    linux_cpu = cpus[first].state;
    note_turn(first);
    setcontext(&cpus[first].context);
}

static void judge_stop(void)
{
    if (program->stop == NULL && stopped)
        explore_fail(stop_report, "unexpected stop", 0);
    else if (program->stop != NULL && !stopped)
        explore_fail("an expected stop is missing", __FILE__, __LINE__);
    else if (program->stop != NULL && strstr(stop_report, program->stop) == NULL)
        explore_fail(stop_report, "a stop with another report", 0);
}

static void check(void)
{
    checking = true;
    if (setjmp(check_left) == 0)
        program->check();
    checking = false;
}

static void execute(void)
{
    choice_count = 0;
    points = pauses = 0;
    if (mode != REPLAY)
        turn_count = 0;
    replayed = 0;
    failed = stopped = false;
    for (unsigned i = 0; i < EXPLORE_CPUS_MAX; i++)
        prepare_cpu(i);
    memset(linux_blocks, 0, sizeof linux_blocks);
    outside = linux_cpu = (struct linux_cpu){.block = &linux_blocks[0].cpu};
    program->setup();
    outside = linux_cpu;
    run_cpus();
    linux_cpu = outside;
    if (!failed)
        judge_stop();
    if (!failed && !stopped && program->check != NULL)
        check();
}

static void print_failure(void)
{
    printf("# %s: %s\n# replay with: %s", program->name, failure, program->name);
    if (turn_count > TURNS_PRINTED) {
        printf(" %zu turns, too many to print\n", turn_count);
        return;
    }
    for (size_t i = 0; i < turn_count; i++)
        if (i + 1 < turn_count)
            printf("%s%u:%lu", i == 0 ? " \"" : " ", turns[i].cpu, turns[i].operations);
        else
            printf("%s%u:-\"", i == 0 ? " \"" : " ", turns[i].cpu);
    printf("\n");
}

static void begin(const struct explore_program *chosen, enum mode chosen_mode)
{
    program = chosen;
    mode = chosen_mode;
    host_on_panic(on_panic);
    host_on_pause(pause);
}

static struct explore_result conclude(struct explore_result result)
{
    result.failed = failed;
    if (failed)
        print_failure();
    host_on_panic(NULL);
    host_on_pause(NULL);
    return result;
}

/* ---- exhaustively ---- */

static bool is_preemption(const struct choice *choice, unsigned chosen)
{
    return choice->current != NO_CPU && (choice->enabled >> choice->current & 1) &&
           chosen != choice->current;
}

/* The next alternative of a choice. The order: the CPU that was running, then the others by number.
 */
static unsigned next_alternative(const struct choice *choice)
{
    bool had_current = choice->current != NO_CPU && (choice->enabled >> choice->current & 1);
    unsigned from = had_current && choice->chosen == choice->current ? 0 : choice->chosen + 1u;
    for (unsigned cpu = from; cpu < EXPLORE_CPUS_MAX; cpu++)
        if ((choice->enabled >> cpu & 1) && !(had_current && cpu == choice->current))
            return cpu;
    return NO_CPU;
}

/* Prescribes the next execution in depth-first order; false: there is none. */
static bool backtrack(unsigned bound)
{
    unsigned preemptions = 0;
    for (size_t i = 0; i < choice_count; i++)
        preemptions += is_preemption(&choices[i], choices[i].chosen);
    while (choice_count > 0) {
        struct choice *last = &choices[choice_count - 1];
        preemptions -= is_preemption(last, last->chosen);
        unsigned next = next_alternative(last);
        if (next != NO_CPU && preemptions + is_preemption(last, next) <= bound) {
            last->chosen = (uint8_t)next;
            prefix = choice_count;
            return true;
        }
        choice_count--;
    }
    return false;
}

struct explore_result explore_exhaustively(const struct explore_program *chosen, unsigned bound,
                                           unsigned long executions_max)
{
    struct explore_result result = {0};
    begin(chosen, EXHAUSTIVE);
    forget_words();
    prefix = 0;
    do {
        words_grew = false;
        execute();
        result.executions++;
        result.points = points > result.points ? points : result.points;
        result.cut = result.executions >= executions_max;
        if (words_grew)
            prefix = choice_count = 0; /* there are more choices now: start again */
    } while (!failed && !result.cut && (words_grew || backtrack(bound)));
    return conclude(result);
}

/* ---- randomly ---- */

struct explore_result explore_randomly(const struct explore_program *chosen,
                                       unsigned long executions)
{
    struct explore_result result = {0};
    begin(chosen, RANDOM);
    forget_words();
    expected_points = 100;
    while (result.executions < executions) {
        random_source = random_seeded(result.executions);
        for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++)
            changes[i] = 1 + random_below(&random_source, expected_points);
        execute();
        result.executions++;
        expected_points = points > 0 ? points : 1;
        result.points = points > result.points ? points : result.points;
        if (failed)
            break;
    }
    return conclude(result);
}

/* ---- replay ---- */

struct explore_result explore_replay(const struct explore_program *chosen, const char *schedule)
{
    struct explore_result result = {.executions = 1};
    begin(chosen, REPLAY);
    forget_words();
    turn_count = 0;
    while (*schedule != 0 && turn_count < SWITCHES_MAX) {
        char *end;
        struct turn *turn = &turns[turn_count++];
        turn->cpu = (unsigned)strtoul(schedule, &end, 10);
        turn->operations = *end == ':' && end[1] == '-' ? ~0ul : strtoul(end + 1, &end, 10);
        schedule = strchr(end, ' ');
        schedule = schedule != NULL ? schedule + 1 : "";
    }
    execute();
    result.points = points;
    return conclude(result);
}
