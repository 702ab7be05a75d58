/* SPDX-License-Identifier: MIT */
/*
 * The foreign kind: addresses where Quarry has no object. Each operation is misuse and stops with a
 * report: the pointer was never allocated by Quarry, or its memory is free already.
 */
#ifndef MM_KINDS_FOREIGN_H
#define MM_KINDS_FOREIGN_H

#include "mm/pages/object_kind.h"

extern const struct object_kind foreign_kind;

#endif
