/* SPDX-License-Identifier: MIT */
/*
 * The options, one line of words:
 *
 *     tests=TEXT      run only the tests whose names contain TEXT; tests=none: none
 *     stress=SECONDS  the stress loops share this time, instead of a fixed number of rounds
 *     cpus=N          use no more than N CPUs
 *     notimer         no timer interrupts
 *     timer=HERTZ     timer interrupts per second on each CPU; default 100
 *     bench           print the cost of allocation, in instructions under -icount
 *     baselines       compare Quarry with simple allocators, by the number of free blocks
 *     heapmap         print a partly filled heap as JSON
 *     live            show progress, memory and CPUs on the screen during the run
 *     forever         repeat the stress loops until a key is pressed
 *     menu=SECONDS    USB stick only: show a menu with this countdown (0: no countdown)
 *     default=NAME    the preselected entry: quick, full, stress, benchmark, failsafe, off
 *     debug           wait until a debugger sets debugger_attached
 *     wait            keep the result on the screen until a key is pressed
 *     fault=NAME      cause a fault that must be reported: page, stop, hang, cpu
 *
 * A word that is none of these, or whose value is out of range, is an error: the run is refused.
 */
#ifndef BOOT_OPTIONS_H
#define BOOT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_NO_MENU (~0u)

struct options {
    char tests[48];
    char fault[16];
    char preselected[16];  /* default= */
    unsigned menu_seconds; /* OPTIONS_NO_MENU: no menu */
    bool forever;
    bool live;
    unsigned stress_seconds;
    unsigned cpus;
    unsigned timer_hertz; /* 0: no timer */
    bool bench;
    bool baselines;
    bool heapmap;
    bool debug;
    bool wait;
    char error[160]; /* the first wrong word, and what would be right; "": no error */
};

/* If an option occurs twice, the last one counts. */
struct options options_parse(const char *text);

/* Writes all options, as "tests=TEXT stress=SECONDS ...". */
void options_list(char *text, size_t capacity_bytes);

#endif
