/* SPDX-License-Identifier: MIT */
/*
 * The running execution, between the files of the explorer.
 *
 *   accesses.c       the functions that the compiler calls at each access to memory
 *   races.c          the order that synchronisation gives to accesses; plain accesses without one
 *   store_buffer.c   stores that other CPUs do not see yet
 *   scheduler.c      the CPUs as coroutines, and the choice at each point
 *   search.c         which choices: exhaustive, random, replay
 */
#ifndef TESTS_EXPLORE_EXECUTION_H
#define TESTS_EXPLORE_EXECUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/explore/scheduler.h"

#define NO_CPU EXPLORE_CPUS_MAX

/* ---- scheduler.c ---- */

enum execution_mode { MODE_EXHAUSTIVE, MODE_RANDOM, MODE_REPLAY };

/* The alternatives at a point, and the chosen one. For a store that may be held: 0 is "seen at
 * once", 1 is "held", and `current` is 0. So holding a store costs as much as a preemption. */
struct choice {
    uint8_t enabled; /* a bit per alternative */
    uint8_t current; /* the CPU that was running; NO_CPU at the start */
    uint8_t chosen;
};

#define CHOICES_MAX 65536u

/* One turn of a CPU, as in a printed schedule. */
struct turn {
    unsigned cpu;
    unsigned long operations;
    bool holds; /* the last of them is a store that is held */
};

#define TURNS_MAX 65536u

struct execution {
    const struct explore_program *program;
    enum execution_mode mode;
    bool plain_points; /* plain accesses are points too */
    unsigned running;  /* NO_CPU: outside the CPUs; accesses do nothing then */
    unsigned long points;

    struct choice choices[CHOICES_MAX];
    size_t choice_count;
    size_t prefix;   /* the first `prefix` choices are prescribed by choices[].chosen */
    bool words_grew; /* the prescribed choices no longer match the points */

    struct turn turns[TURNS_MAX];
    size_t turn_count;

    bool failed;
    char failure[2048];
    bool pruned; /* ended early: the same as another execution */
};

extern struct execution execution;

/* Runs the program once. */
void execution_run(const struct explore_program *program, enum execution_mode mode);

/* Random executions: the seed, and the number of points to expect. */
void execution_set_seed(unsigned long seed, unsigned long expected_points);

/* Forgets which words are shared, before a search. */
void execution_forget_words(void);

/* The running CPU is about to access `word` atomically. Another CPU may run first. Returns whether
 * the word is shared: more than one CPU accesses it, and one of them writes. */
bool execution_point(const volatile void *word, bool writes);

/* Whether the store that the running CPU is about to do is held. */
bool execution_chooses_to_hold(void);

/* The running CPU has changed memory: waiting CPUs may check again. */
void execution_wake_others(void);

/* Ends the execution. CPUs that have not finished are dropped. */
_Noreturn void execution_leave(void);

/* Whether an address is on the running CPU's stack, or in its private data. */
bool execution_is_private(uintptr_t address);

/* ---- races.c ---- */

/* How often each CPU had released, as far as this CPU has acquired it. */
struct vector_clock {
    uint32_t of[EXPLORE_CPUS_MAX];
};

void races_begin(void);
bool races_are_allowed(void);

/* Fails if another CPU's access to the same bytes is not ordered with this one by synchronisation,
 * unless both are reads or both are atomic. */
void races_access(uintptr_t at, size_t bytes, bool writes, bool atomic, uintptr_t instruction);

/* The running CPU sees what was released at the word. */
void races_acquire(const volatile void *word);

/* What the running CPU would release now; the word releases this, or nothing. */
struct vector_clock races_released(void);
void races_release(const volatile void *word, const struct vector_clock *released);
void races_store_relaxed(const volatile void *word);

/* A read-modify-write adds to what the word releases. */
void races_release_also(const volatile void *word);

/* ---- store_buffer.c ---- */

void store_buffers_begin(void);

bool store_buffer_is_empty(void);

/* Adds a store of the running CPU. */
void store_buffer_hold(volatile void *word, uint64_t value, unsigned bytes, bool releases);

/* The running CPU's own value of a word; false: memory has it. */
bool store_buffer_read(const volatile void *word, uint64_t *value);

/* The running CPU loads a shared word while stores are held. */
void store_buffer_note_load(void);

/* All stores of the running CPU reach memory. */
void store_buffer_drain(void);

/* The same, if one of them is among these bytes. */
void store_buffer_drain_if_held(uintptr_t at, size_t bytes);

#endif
