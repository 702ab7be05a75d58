/* SPDX-License-Identifier: MIT */
/* Which executions are tried; see scheduler.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/explore/execution.h"

#define TURNS_PRINTED 200u
#define PLAIN "plain " /* before a schedule in which plain accesses are points */

static void print_turn(const struct turn *turn, bool last)
{
    if (last)
        printf("%u:-", turn->cpu);
    else
        printf("%u:%lu%s ", turn->cpu, turn->operations, turn->holds ? "h" : "");
}

static void print_failure(void)
{
    const char *name = execution.program->name;
    printf("# %s: %s\n# replay with: %s", name, execution.failure, name);
    if (execution.turn_count > TURNS_PRINTED) {
        printf(" %zu turns, too many to print\n", execution.turn_count);
        return;
    }
    printf(" \"%s", execution.plain_points ? PLAIN : "");
    for (size_t i = 0; i < execution.turn_count; i++)
        print_turn(&execution.turns[i], i + 1 == execution.turn_count);
    printf("\"\n");
}

static struct explore_result conclude(struct explore_result result)
{
    result.failed = execution.failed;
    if (execution.failed)
        print_failure();
    return result;
}

static void count_execution(struct explore_result *result)
{
    result->executions++;
    if (execution.points > result->points)
        result->points = execution.points;
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
    struct choice *choices = execution.choices;
    unsigned preemptions = 0;
    for (size_t i = 0; i < execution.choice_count; i++)
        preemptions += is_preemption(&choices[i], choices[i].chosen);
    while (execution.choice_count > 0) {
        struct choice *last = &choices[execution.choice_count - 1];
        preemptions -= is_preemption(last, last->chosen);
        unsigned next = next_alternative(last);
        if (next != NO_CPU && preemptions + is_preemption(last, next) <= bound) {
            last->chosen = (uint8_t)next;
            execution.prefix = execution.choice_count;
            return true;
        }
        execution.choice_count--;
    }
    return false;
}

/* A search with so many more points needs more executions to have an effect. */
#define PLAIN_FACTOR 5

struct explore_result explore_exhaustively(const struct explore_program *program, unsigned bound,
                                           unsigned long executions_max)
{
    struct explore_result result = {0};
    execution_forget_words();
    execution.plain_points = races_are_allowed() && bound == 1;
    if (execution.plain_points)
        executions_max *= PLAIN_FACTOR;
    execution.prefix = 0;
    do {
        execution.words_grew = false;
        execution_run(program, MODE_EXHAUSTIVE);
        count_execution(&result);
        result.cut = result.executions >= executions_max;
        if (execution.words_grew)
            execution.prefix = execution.choice_count = 0; /* more choices now: start again */
    } while (!execution.failed && !result.cut && (execution.words_grew || backtrack(bound)));
    return conclude(result);
}

/* ---- randomly ---- */

struct explore_result explore_randomly(const struct explore_program *program,
                                       unsigned long executions)
{
    struct explore_result result = {0};
    unsigned long expected_points = 100;
    execution_forget_words();
    execution.plain_points = false;
    while (result.executions < executions) {
        execution_set_seed(result.executions, expected_points);
        execution_run(program, MODE_RANDOM);
        count_execution(&result);
        expected_points = execution.points > 0 ? execution.points : 1;
        if (execution.failed)
            break;
    }
    return conclude(result);
}

/* ---- replay ---- */

static const char *read_turn(const char *text, struct turn *turn)
{
    char *end;
    *turn = (struct turn){.cpu = (unsigned)strtoul(text, &end, 10)};
    if (*end == ':' && end[1] == '-')
        turn->operations = ~0ul;
    else
        turn->operations = strtoul(end + 1, &end, 10);
    turn->holds = *end == 'h';
    const char *space = strchr(end, ' ');
    return space != NULL ? space + 1 : "";
}

struct explore_result explore_replay(const struct explore_program *program, const char *schedule)
{
    struct explore_result result = {0};
    execution_forget_words();
    execution.turn_count = 0;
    execution.plain_points = strncmp(schedule, PLAIN, strlen(PLAIN)) == 0;
    if (execution.plain_points)
        schedule += strlen(PLAIN);
    while (*schedule != 0 && execution.turn_count < TURNS_MAX)
        schedule = read_turn(schedule, &execution.turns[execution.turn_count++]);
    execution_run(program, MODE_REPLAY);
    count_execution(&result);
    return conclude(result);
}
