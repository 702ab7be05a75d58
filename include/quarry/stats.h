/* SPDX-License-Identifier: MIT */
/*
 * Figures as text, for people and for programs: memory by what it is used for, by size class, by
 * CPU and by arena.
 */
#ifndef QUARRY_STATS_H
#define QUARRY_STATS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Takes a piece of the text, of less than a line, and 0 at its end; it is gone after the call.
 * Called with no lock held. May print, copy or send it; to allocate would change what is told. */
typedef void quarry_write(void *context, const char *text);

/*
 * quarry_stats(), and what stands behind it, as tables, or as one JSON object:
 *
 *     {"frames_total": 129027, ..., "spans": 12,
 *      "classes": [{"object_bytes": 8, "spans": 1, "live_objects": 3, ...}, ...],
 *      "cpus": [{"cpu": 0, "cached_bytes": 4096, ...}, ...],
 *      "arenas": [{"address": 18446603336223293440, "pages": 512, "free_pages": 12, ...}, ...]}
 *
 * The totals have the names of struct quarry_stats and come from one call of quarry_stats(). Left
 * out: classes without a span, CPUs that are not online. Not in an interrupt handler; as exact as
 * quarry_stats().
 */
void quarry_stats_text(quarry_write *write, void *context);
void quarry_stats_json(quarry_write *write, void *context);

/*
 * What a 2 MiB window of physical memory is used for, for maps that are drawn while the machine
 * works. 512 frames are free, in spans of small objects, or taken otherwise: by large objects, by
 * frames handed out, by Quarry's tables, or not Quarry's at all.
 */
struct quarry_memory_use {
    unsigned free_frames;
    unsigned small_frames;
};

/* The window around the address. Any context, NMI handlers included, also before quarry_init() and
 * while it runs; a hint where others allocate. Takes no lock; reads 512 bytes. */
struct quarry_memory_use quarry_memory_use(uint64_t physical);

#ifdef __cplusplus
}
#endif

#endif
