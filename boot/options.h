/* SPDX-License-Identifier: MIT */
/*
 * What the user asked for, in one line of words:
 *
 *     tests=TEXT      run only the tests whose names contain TEXT; tests=none: none
 *     stress=SECONDS  the stress loops share so many seconds, instead of a fixed number of rounds
 *     cpus=N          use no more than N CPUs
 *     notimer         no timer interrupts
 *     timer=HERTZ     timer interrupts a second on each CPU, instead of 100
 *     bench           print what allocation costs, in instructions under -icount
 *     baselines      the same beside simple allocators, by the number of free blocks
 *     heapmap         print a heap in the middle of its life, as JSON
 *     live            show on the screen what happens, while it happens
 *     forever         repeat the stress loops until a key is pressed
 *     menu=SECONDS    from a stick: ask what to do, and wait so long (0: for ever) for an answer
 *     default=NAME    the menu's answer without one: quick, full, stress, benchmark, failsafe, off
 *     debug           wait at the start until a debugger sets debugger_attached
 *     wait            keep the result on the screen until a key is pressed
 *     fault=NAME      break something, to see that it is reported: page, stop, hang, cpu
 */
#ifndef BOOT_OPTIONS_H
#define BOOT_OPTIONS_H

#include <stdbool.h>

struct options {
    char tests[48];
    char fault[16];
    char preselected[16]; /* menu */
    unsigned menu_seconds;
    bool menu;
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
    const char *unknown; /* the first word that is none of these; NULL: all were understood */
};

/* `text` must stay. Of a word that comes twice the last counts. */
struct options options_parse(const char *text);

#endif
