/* SPDX-License-Identifier: MIT */
/*
 * Every interleaving of a small program: a deterministic scheduler under lib/atomic.h.
 *
 * In this build each atomic operation first calls schedule_point(), and atomics are the only way in
 * which CPUs meet (locks are made of them). CPUs are coroutines of one thread, so between two
 * points nothing else runs, and an execution is fully described by who goes on at each point.
 *
 * Three ways to choose:
 *
 *   exhaustive   depth first over all choices, with at most `bound` preemptions: a CPU that could
 *                go on is made to wait. Most bugs need two at most (CHESS: Musuvathi et al., OSDI
 *                2008). Points at words that only one CPU ever touches are no choices: moving a
 *                switch across them changes nothing. Which words those are is learnt on the way,
 * and what was explored with too few is explored again. random       seeded priorities with a few
 * random changes (PCT: Burckhardt et al., ASPLOS 2010): for what is too long for the first. replay
 * a schedule that was printed: "0:17 1:5 0:-" lets CPU 0 do 17 atomic operations, then CPU 1 do 5,
 * then CPU 0 to its end.
 *
 * A CPU that waits (quarry_port_pause()) lets the others go on, which is no preemption. When
 * all wait and nothing changes, that is a failure, like a stop that was not expected, a stop that
 * was expected and did not come, or a check that fails.
 *
 * What is explored are sequentially consistent executions; see docs/testing.md.
 */
#ifndef TESTS_EXPLORE_SCHEDULER_H
#define TESTS_EXPLORE_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>

#define EXPLORE_CPUS_MAX 3u

/* All functions run as on a machine; `setup` and `check` alone, before and after the CPUs. */
struct explore_program {
    const char *name;
    unsigned cpus; /* 2 or 3 */
    void (*setup)(void);
    void (*cpu[EXPLORE_CPUS_MAX])(void);
    void (*check)(void);
    const char *stop; /* every execution must stop with this in its report; NULL: none may stop */
};

struct explore_result {
    bool failed;
    bool cut; /* the exhaustive search met its limit of executions */
    unsigned long executions;
    unsigned long points; /* of the longest execution */
};

/* Prints what failed, and the schedule that replays it. */
struct explore_result explore_exhaustively(const struct explore_program *program, unsigned bound,
                                           unsigned long executions_max);
struct explore_result explore_randomly(const struct explore_program *program,
                                       unsigned long executions);
struct explore_result explore_replay(const struct explore_program *program, const char *schedule);

/* Notes a failure of the execution that runs. */
void explore_fail(const char *text, const char *file, int line);

#define EXPLORE_CHECK(condition)                                                                   \
    do {                                                                                           \
        if (!(condition))                                                                          \
            explore_fail(#condition, __FILE__, __LINE__);                                          \
    } while (0)

/* The tables of programs. */
struct explore_programs {
    const struct explore_program *programs;
    size_t count;
};

extern const struct explore_programs explore_frame_programs;
extern const struct explore_programs explore_object_programs;
extern const struct explore_programs explore_cpu_programs;

/* ---- for setups: runs `work` as another CPU would, at once ---- */
void explore_as_cpu(unsigned cpu, void (*work)(void));

#endif
