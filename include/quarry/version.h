/* SPDX-License-Identifier: MIT */
/*
 * The version of Quarry, by semantic versioning (https://semver.org). Before 1.0.0 a new minor
 * version may change the API; CHANGELOG.md lists every change that a kernel sees.
 */
#ifndef QUARRY_VERSION_H
#define QUARRY_VERSION_H

#define QUARRY_VERSION_MAJOR 0
#define QUARRY_VERSION_MINOR 2
#define QUARRY_VERSION_PATCH 0

/* The same as text. tools/dist.py refuses to write a release where the two differ. */
#define QUARRY_VERSION "0.2.0"

#endif
