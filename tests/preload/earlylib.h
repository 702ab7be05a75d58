/* SPDX-License-Identifier: MIT */
/* The library of earlylib.c. */
#ifndef TESTS_PRELOAD_EARLYLIB_H
#define TESTS_PRELOAD_EARLYLIB_H

/* How often its fork handlers ran in this process and its parents. */
extern unsigned early_handlers_ran;

#endif
