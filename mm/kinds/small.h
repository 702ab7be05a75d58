/* SPDX-License-Identifier: MIT */
/*
 * Small objects: the plain kind, slots of spans with a cache id.
 *
 * At level 0 a small object never comes here to be freed: its magazine takes it, and the central
 * list checks it later. From level 1 of hardening on each free checks the object first
 * (mm/debug/harden.h), and the object waits in the quarantine.
 */
#ifndef MM_KINDS_SMALL_H
#define MM_KINDS_SMALL_H

#include <quarry/config.h>

/* Registers the kind. */
void small_init(void);

#if QUARRY_HARDEN
/* Frees an object whose cache id is not 0; stops with a report if it is not live. */
void small_free(void *object, const void *caller);
#endif

#endif
