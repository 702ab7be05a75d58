/* SPDX-License-Identifier: MIT */
/*
 * Stress loops: all CPUs at once, contents checked, the whole heap verified afterwards.
 *
 * Each loop is a test like any other; it runs for a number of rounds, or, when told so, for a
 * time. `stress_set_seconds(60)` shares a minute between the loops.
 */
#ifndef TESTS_STRESS_STRESS_H
#define TESTS_STRESS_STRESS_H

void stress_set_seconds(unsigned seconds);

#endif
