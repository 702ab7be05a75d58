/* SPDX-License-Identifier: MIT */
/*
 * Random inputs, and the shortest part of an input that still fails.
 *
 * Each attempt runs in a process of its own, because a failure may be a stop. A failing input is
 * shrunk: pieces are removed, large ones first, and the remaining bytes are set to 0 where the
 * failure stays (delta debugging, Zeller and Hildebrandt 2002). The result is printed as C.
 */
#ifndef TESTS_FUZZ_SHRINK_LINUX_H
#define TESTS_FUZZ_SHRINK_LINUX_H

#include "tests/fuzz/fuzz.h"

/* Runs `count` inputs with the seeds from `seed` on. Returns 0 if none fails. Otherwise shrinks the
 * first failing input, prints it, stores it in build/fuzz/NAME-SEED, and returns 1. */
int shrink_random(const char *name, fuzz_target *target, unsigned seed, unsigned count);

/* The same for the content of a file; nothing is stored. */
int shrink_file(const char *name, fuzz_target *target, const char *file_name);

/* Removes bytes as long as the target fails. Returns the number of remaining bytes. */
size_t shrink(fuzz_target *target, uint8_t *bytes, size_t count);

#endif
