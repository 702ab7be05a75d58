/* SPDX-License-Identifier: MIT */
/* The kernel that uses least of Quarry: it is linked and its symbols are read; it does not run. */
#include "quarry.h"

void start(void);

_Noreturn void quarry_port_panic(const char *report)
{
    (void)report;
    for (;;)
        quarry_port_pause();
}

void start(void)
{
    static const struct quarry_memory_region memory = {0, (size_t)64 << 20, QUARRY_MEMORY_USABLE};
    static const struct quarry_setup setup = {.regions = &memory, .region_count = 1, .cpus = 1};
    if (quarry_init(&setup) == QUARRY_OK && quarry_cpu_online(0) == QUARRY_OK)
        quarry_free(quarry_alloc(100));
}
