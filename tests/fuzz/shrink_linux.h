/* SPDX-License-Identifier: MIT */
/*
 * Random inputs, and the shortest part of one that still fails.
 *
 * Each try runs in a process of its own, for a failure may be a stop. What fails is cut down:
 * pieces are left out, large ones first, and what cannot be left out becomes 0 where it can (delta
 * debugging, Zeller and Hildebrandt 2002). What remains is printed as C.
 */
#ifndef TESTS_FUZZ_SHRINK_LINUX_H
#define TESTS_FUZZ_SHRINK_LINUX_H

#include "tests/fuzz/fuzz.h"

/* Inputs with the seeds from `seed` on; 0 if none fails, else 1, with the first that fails shrunk,
 * printed, and kept in build/fuzz/NAME-SEED. */
int shrink_random(const char *name, fuzz_target *target, unsigned seed, unsigned count);

/* 0 if the file's content does not fail, else 1, with the same. */
int shrink_file(const char *name, fuzz_target *target, const char *file_name);

/* Cuts `bytes` down while the target fails; returns how many remain. */
size_t shrink(fuzz_target *target, uint8_t *bytes, size_t count);

#endif
