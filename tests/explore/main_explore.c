/* SPDX-License-Identifier: MIT */
/*
 * The program that explores schedules:
 *
 *     explore [T=substring] [bound=N] [executions=N] [random=N]
 *     explore PROGRAM SCHEDULE          replays one schedule, as printed with a failure
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/explore/scheduler.h"

static const struct explore_programs *const tables[] = {
    &explore_frame_programs, &explore_object_programs, &explore_cpu_programs,
    &explore_table_programs, &explore_misuse_programs,
};

#define TABLES (sizeof tables / sizeof tables[0])

struct effort {
    const char *filter;
    unsigned bound;
    unsigned long executions;
    unsigned long random;
    bool may_race; /* then a search that is cut does not end the searches */
};

struct sums {
    unsigned passed;
    unsigned failed;
    unsigned long executions;
};

static bool explore(const struct explore_program *program, const struct effort *effort,
                    struct sums *sums)
{
    struct explore_result all = {0};
    unsigned bound = 0;
    /* Few preemptions first, so that the shortest failing schedule is printed. */
    for (; bound <= effort->bound && !all.failed && !(all.cut && !effort->may_race); bound++) {
        all = explore_exhaustively(program, bound, effort->executions);
        sums->executions += all.executions;
    }
    struct explore_result random = {0};
    if (!all.failed)
        random = explore_randomly(program, effort->random);
    sums->executions += random.executions;
    bool passed = !all.failed && !random.failed;
    printf("%sok - %s: %lu points, %u preemptions: %lu executions%s; at random: %lu\n",
           passed ? "" : "not ", program->name, all.points, bound - 1, all.executions,
           all.cut ? ", cut" : ", all", random.executions);
    fflush(stdout);
    return passed;
}

static int replay(const char *name, const char *schedule)
{
    for (size_t t = 0; t < TABLES; t++) {
        explore_allow_races(tables[t]->may_race);
        for (size_t i = 0; i < tables[t]->count; i++)
            if (strcmp(tables[t]->programs[i].name, name) == 0) {
                struct explore_result result = explore_replay(&tables[t]->programs[i], schedule);
                printf("%s\n", result.failed ? "failed" : "passed");
                return result.failed;
            }
    }
    fprintf(stderr, "no program is named %s\n", name);
    return 2;
}

static unsigned long number_after(const char *argument)
{
    return strtoul(strchr(argument, '=') + 1, NULL, 10);
}

int main(int count, char **arguments)
{
    struct effort effort = {"", 2, 20000, 500, false};
    if (count == 3 && strchr(arguments[1], '=') == NULL)
        return replay(arguments[1], arguments[2]);
    for (int i = 1; i < count; i++) {
        if (strncmp(arguments[i], "bound=", 6) == 0)
            effort.bound = (unsigned)number_after(arguments[i]);
        else if (strncmp(arguments[i], "executions=", 11) == 0)
            effort.executions = number_after(arguments[i]);
        else if (strncmp(arguments[i], "random=", 7) == 0)
            effort.random = number_after(arguments[i]);
        else if (strncmp(arguments[i], "T=", 2) == 0)
            effort.filter = arguments[i] + 2;
    }
    struct sums sums = {0};
    for (size_t t = 0; t < TABLES; t++) {
        explore_allow_races(tables[t]->may_race);
        effort.may_race = tables[t]->may_race;
        for (size_t i = 0; i < tables[t]->count; i++) {
            if (strstr(tables[t]->programs[i].name, effort.filter) == NULL)
                continue;
            if (explore(&tables[t]->programs[i], &effort, &sums))
                sums.passed++;
            else
                sums.failed++;
        }
    }
    printf("# %lu executions\n%u passed, %u failed\n", sums.executions, sums.passed, sums.failed);
    return sums.failed == 0 && sums.passed > 0 ? 0 : 1;
}
