/* SPDX-License-Identifier: MIT */
/*
 * Explores the executions of a small program on two or three CPUs: a deterministic scheduler below
 * all accesses to memory.
 *
 * The CPUs are coroutines of one thread. The compiler calls a function at each access to memory
 * (accesses.c). At each atomic access, and so at each step of a lock, the scheduler chooses the CPU
 * that continues. Its choices determine the execution.
 *
 * There are three modes:
 *
 *   exhaustive   Depth first over all choices, with at most `bound` preemptions. At a preemption
 *                a CPU that could continue must wait. Most bugs need at most two (CHESS:
 *                Musuvathi et al., OSDI 2008).
 *   random       Seeded priorities with a few random changes (PCT: Burckhardt et al., ASPLOS
 *                2010), for programs that are too long for the exhaustive mode.
 *   replay       A printed schedule: "0:17 1:5 0:-" means 17 atomic operations of CPU 0, then 5
 *                of CPU 1, then CPU 0 until its end. "0:17h" means that the last of the 17 is a
 *                store that is held; the next turn is CPU 0's too.
 *
 * The number of executions is kept small where a switch changes nothing. A word that only one CPU
 * accesses, or that none writes, is no choice. The set of the other words is learnt during the
 * search, which starts again when it grows. A plain access is no choice either: either
 * synchronisation orders it with the accesses of other CPUs, or it is a race, and that is a failure
 * (races.c). So plain accesses do not add executions. Programs that misuse the allocator may race.
 * For them the search with one preemption makes each plain access a point; their schedules begin
 * with "plain".
 *
 * Memory is that of x86-64: a store may be held back while the CPU's later loads are done
 * (store_buffer.c). It costs as much as a preemption.
 *
 * A CPU that waits (quarry_port_pause()) lets the others continue. This is not a preemption. It is
 * a failure if all CPUs wait and nothing changes, if a stop is unexpected, if an expected stop is
 * missing, if accesses race, or if a check fails.
 */
#ifndef TESTS_EXPLORE_SCHEDULER_H
#define TESTS_EXPLORE_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>

#define EXPLORE_CPUS_MAX 3u

/* `setup` and `check` run alone, before and after the CPUs. */
struct explore_program {
    const char *name;
    unsigned cpus; /* 2 or 3 */
    void (*setup)(void);
    void (*cpu[EXPLORE_CPUS_MAX])(void);
    void (*check)(void);
    const char *stop; /* each execution must stop with this text in its report; NULL: none may */
};

struct explore_result {
    bool failed;
    bool cut; /* the exhaustive search reached its limit of executions */
    unsigned long executions;
    unsigned long points; /* of the longest execution */
};

/* Whether races are no failures in the executions that follow. */
void explore_allow_races(bool allowed);

/* Each prints a failure and the schedule that replays it. */
struct explore_result explore_exhaustively(const struct explore_program *program, unsigned bound,
                                           unsigned long executions_max);
struct explore_result explore_randomly(const struct explore_program *program,
                                       unsigned long executions);
struct explore_result explore_replay(const struct explore_program *program, const char *schedule);

/* Records a failure of the current execution. */
void explore_fail(const char *text, const char *file, int line);

/* Interrupts a CPU: it calls the handler at its next point at which interrupts are on. This does
 * not wait for the held stores of the running CPU. */
void explore_interrupt(unsigned cpu, void (*handler)(void));

#define EXPLORE_CHECK(condition)                                                                   \
    do {                                                                                           \
        if (!(condition))                                                                          \
            explore_fail(#condition, __FILE__, __LINE__);                                          \
    } while (0)

/* The tables of programs. */
struct explore_programs {
    const struct explore_program *programs;
    size_t count;
    bool may_race; /* they misuse the allocator in a way that is a race by itself */
};

extern const struct explore_programs explore_frame_programs;
extern const struct explore_programs explore_object_programs;
extern const struct explore_programs explore_cpu_programs;
extern const struct explore_programs explore_table_programs;
extern const struct explore_programs explore_misuse_programs;

/* ---- for setups: runs `work` at once, as this CPU ---- */
void explore_as_cpu(unsigned cpu, void (*work)(void));

#endif
