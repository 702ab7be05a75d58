/* SPDX-License-Identifier: MIT */
/* Quarry inside Linux: what the modules here share. */
#ifndef LINUX_MODULE_GLUE_H
#define LINUX_MODULE_GLUE_H

#ifdef QUARRY_ARCH_HEADER
#include <quarry.h> /* the one pair of files */
#else
#include <quarry/quarry.h>
#include <quarry_arch.h>
#endif

/* Takes `mebibytes` from alloc_pages() and describes them; 0, or -ENOMEM with nothing taken. */
int glue_take_memory(unsigned mebibytes, struct quarry_setup *setup);

/* Gives them back. Nothing of the heap may be used any more. */
void glue_give_memory(void);

/* quarry_init(), and each CPU online. 0 or an error of Linux's. */
int glue_start(const struct quarry_setup *setup);

/* As before the first quarry_init(): no CPU has a cache. */
void glue_forget_caches(void);

/* Where the next stop goes instead of Linux's panic(); NULL: there. */
extern void (*glue_on_stop)(const char *report);

#endif
