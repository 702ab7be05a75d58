/* SPDX-License-Identifier: MIT */
/* Quarry inside Linux: declarations for both modules. */
#ifndef LINUX_MODULE_GLUE_H
#define LINUX_MODULE_GLUE_H

#ifdef QUARRY_ARCH_HEADER
#include <quarry.h> /* the one pair of files */
#else
#include <quarry/quarry.h>
#include <quarry_arch.h>
#endif

/* Allocates memory by alloc_pages() and describes it in `setup`. 0, or -ENOMEM, and then nothing is
 * allocated. */
int glue_memory_alloc(unsigned mebibytes, struct quarry_setup *setup);

/* Frees this memory. The heap must not be used any more. */
void glue_memory_free(void);

/* Calls quarry_init() and brings each CPU online. 0 or one of Linux's error numbers. */
int glue_start(const struct quarry_setup *setup);

/* Resets all CPUs to the state before the first quarry_init(): no caches. */
void glue_forget_caches(void);

/* Called at the next stop. NULL: Linux's panic(). */
extern void (*glue_on_stop)(const char *report);

#endif
