/* SPDX-License-Identifier: MIT */
/* A program over dist/quarry.c and dist/quarry.h alone: it allocates, verifies, and is misused. */
#include "quarry.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The consumers of a release say which setting they gave: it must be the same here. */
#ifdef EXPECTED_HARDEN
_Static_assert(QUARRY_HARDEN == EXPECTED_HARDEN, "the settings of the library reach its users");
#endif

/* Names that kernels have too, and that must not be the allocator's. */
int panic, list_add, heap, frames, bitmap_set, page_map, spinlock_wait;

#define MEMORY_BYTES ((size_t)64 << 20)
#define GIB ((size_t)1 << 30)

struct quarry_cpu the_cpu;
static jmp_buf stopped;
static char said[1000];

_Noreturn void quarry_port_panic(const char *report)
{
    snprintf(said, sizeof said, "%s", report);
    longjmp(stopped, 1);
}

static int fail(const char *what)
{
    printf("not ok: %s\n", what);
    return 1;
}

int main(void)
{
    /* Memory at 2 MiB of an address space that begins at a multiple of 1 GiB. */
    char *window = aligned_alloc(GIB, GIB);
    if (window == NULL)
        return fail("no window");
    const struct quarry_memory_region memory = {2 << 20, MEMORY_BYTES, QUARRY_MEMORY_USABLE};
    const struct quarry_setup setup = {.regions = &memory,
                                       .region_count = 1,
                                       .direct_map = (uintptr_t)window,
                                       .cpus = 1};
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", QUARRY_VERSION_MAJOR, QUARRY_VERSION_MINOR,
             QUARRY_VERSION_PATCH);
    if (strcmp(version, QUARRY_VERSION) != 0)
        return fail("QUARRY_VERSION");
    if (setjmp(stopped) != 0)
        return fail(said);
    if (quarry_init(&setup) != QUARRY_OK || quarry_cpu_online(0) != QUARRY_OK)
        return fail("quarry_init");
    static char *objects[5000];
    for (unsigned i = 0; i < 5000; i++) {
        objects[i] = quarry_alloc(1 + i * 2);
        if (objects[i] == NULL)
            return fail("quarry_alloc");
        memset(objects[i], (int)i, 1 + i * 2);
    }
    quarry_verify();
    for (unsigned i = 0; i < 5000; i++) {
        if (objects[i][i * 2] != (char)i)
            return fail("contents");
        quarry_free(objects[i]);
    }
    uint64_t frame = quarry_frame_alloc(0);
    quarry_frame_free(frame, 0);
    quarry_scavenge();
    quarry_verify();
    if (setjmp(stopped) == 0) {
        quarry_free(window);
        return fail("a bad pointer was freed");
    }
    if (strstr(said, "bad free: foreign pointer") == NULL)
        return fail(said);
    return 0;
}
