/* SPDX-License-Identifier: MIT */
/*
 * Statistics as text and as JSON: memory by its use, by size class, by CPU and by arena.
 */
#ifndef QUARRY_STATS_H
#define QUARRY_STATS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Gets a piece of the text, less than a line, which ends with 0 and is valid only during the call.
 * No lock is held. It may print, copy or send the text. If it allocates, the statistics change
 * meanwhile. */
typedef void quarry_write(void *context, const char *text);

/*
 * quarry_stats() and its details, as tables or as one JSON object:
 *
 *     {"frames_total": 129027, ..., "spans": 12,
 *      "classes": [{"object_bytes": 8, "spans": 1, "live_objects": 3, ...}, ...],
 *      "cpus": [{"cpu": 0, "cached_bytes": 4096, ...}, ...],
 *      "arenas": [{"address": 18446603336223293440, "pages": 512, "free_pages": 12, ...}, ...]}
 *
 * The totals have the names of struct quarry_stats and come from one call of quarry_stats().
 * Classes without a span and CPUs that are not online are left out. Not in an interrupt handler; as
 * exact as quarry_stats().
 */
void quarry_stats_text(quarry_write *write, void *context);
void quarry_stats_json(quarry_write *write, void *context);

/*
 * What an aligned 2 MiB block of physical memory is used for, for maps that are drawn while the
 * machine works. Of its 512 frames some are free and some are in spans of small objects. The others
 * belong to large objects, to frames that were allocated, to Quarry's tables, or are not Quarry's.
 */
struct quarry_memory_use {
    unsigned free_frames;
    unsigned small_frames;
};

/* The use of the block that contains the address. Any context, NMI handlers included, also before
 * quarry_init() and while it runs. A hint if other CPUs allocate. Takes no lock; reads 1 KiB. */
struct quarry_memory_use quarry_memory_use(uint64_t physical);

#ifdef __cplusplus
}
#endif

#endif
