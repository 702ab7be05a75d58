/* SPDX-License-Identifier: MIT */
/*
 * Stress loops on all CPUs. They check the contents of objects, and verify the heap afterwards.
 *
 * Each loop is a test. It runs for a number of rounds, or, after stress_set_seconds(), for a time:
 * stress_set_seconds(60) divides a minute among the loops.
 */
#ifndef TESTS_STRESS_STRESS_H
#define TESTS_STRESS_STRESS_H

void stress_set_seconds(unsigned seconds);

#endif
