/* SPDX-License-Identifier: MIT */
/* Objects leave a per-CPU cache: drains on request, of idle magazines, and the quarantine; see
 * cpu_cache.h. */
#include "lib/atomic.h"
#include "lib/spinlock.h"
#include "mm/frames/frame_cache.h"
#include "mm/objects/central_list.h"
#include "mm/objects/cpu_cache.h"

/* ---- one magazine ---- */

size_t cpu_cache_held(const struct cpu_cache *cache, unsigned cache_id)
{
    if (!cache->online || cache_id == 0)
        return 0;
    return magazine_held(&cache->magazines[cache_id], *cpu_cache_top(cache, cache_id));
}

size_t cpu_cache_held_about(const struct cpu_cache *cache, unsigned cache_id)
{
    if (!atomic_load_acquire(&cache->online) || cache_id == 0)
        return 0;
    void **bottom = atomic_load_relaxed(&cache->magazines[cache_id].bottom);
    void **top = atomic_load_relaxed(cpu_cache_top(cache, cache_id));
    /* The CPU may have moved to another array between the two loads. */
    size_t held = ((uintptr_t)top - (uintptr_t)bottom) / sizeof(void *);
    return held <= MAGAZINE_PLACES_MAX ? held : 0;
}

void cpu_cache_set_capacity(struct cpu_cache *cache, unsigned cache_id, size_t capacity)
{
    struct magazine *magazine = &cache->magazines[cache_id];
    cache->granted_bytes += (capacity - magazine->capacity) * cache_shapes[cache_id].object_bytes;
    magazine_set_capacity(magazine, capacity);
}

void cpu_cache_shrink(struct cpu_cache *cache, unsigned cache_id)
{
    struct magazine *magazine = &cache->magazines[cache_id];
    size_t places = cache_shapes[cache_id].magazine_first;
    void **first = cpu_cache_first_array(cache, cache_id);
    if (magazine->bottom == first)
        return;
    if (magazine->capacity > places)
        cpu_cache_set_capacity(cache, cache_id, places);
    magazine_shrink(magazine, cpu_cache_top(cache, cache_id), first, places);
}

static void drain_magazine(struct cpu_cache *cache, unsigned cache_id)
{
    void *objects[CACHE_BATCH_MAX];
    size_t count;
    while ((count = magazine_pop_many(&cache->magazines[cache_id], cpu_cache_top(cache, cache_id),
                                      CACHE_BATCH_MAX, objects)) > 0)
        central_list_free(cache_id, count, objects);
    cpu_cache_shrink(cache, cache_id);
}

/* ---- a whole cache ---- */

size_t cpu_cache_drain(struct cpu_cache *cache)
{
    quarantine_drain(&cache->quarantine);
    if (cache->online)
        for (unsigned id = 1; id < cache_id_count(); id++)
            drain_magazine(cache, id);
    size_t cached_frames = frame_cache_drain(cache->cpu);
    atomic_store_release(&cache->drain_requested, false);
    return cached_frames;
}

size_t cpu_cache_drain_own(void)
{
    size_t cached_frames = 0;
    irq_state irq = quarry_port_irq_save();
    struct cpu_cache *cache = cpu_cache_here();
    if (cache != NULL) /* frames may be requested on a CPU that was never online */
        cached_frames = cpu_cache_drain(cache);
    quarry_port_irq_restore(irq);
    return cached_frames;
}

void cpu_cache_drain_if_requested(void)
{
    const struct cpu_cache *cache = cpu_cache_here();
    if (unlikely(atomic_load_acquire(&cache->drain_requested)))
        cpu_cache_drain_own();
}

/* ---- idle magazines ---- */

/* Whether the top did not move for some steps. Each magazine is watched on its own: a few objects
 * of an unused size would keep whole arenas from becoming idle. */
static bool is_idle(struct idle_watch *watch, void **top)
{
    if (top != watch->top_seen)
        watch->idle_steps = 0;
    else if (watch->idle_steps < QUARRY_SCAVENGE_STEPS_REMEMBERED)
        watch->idle_steps++;
    watch->top_seen = top;
    return watch->idle_steps == QUARRY_SCAVENGE_STEPS_REMEMBERED;
}

static void drain_idle_magazines(struct cpu_cache *cache)
{
    bool all_idle = true;
    for (unsigned id = 1; id < cache_id_count(); id++) {
        if (is_idle(&cache->watches[id], *cpu_cache_top(cache, id)))
            drain_magazine(cache, id);
        else
            all_idle = false;
    }
    if (is_idle(&cache->watches[FRAME_MAGAZINE], *cpu_cache_top(cache, FRAME_MAGAZINE)))
        frame_cache_drain(cache->cpu);
    if (all_idle)
        quarantine_drain(&cache->quarantine);
}

void cpu_cache_drain_idle(void)
{
    irq_state irq = quarry_port_irq_save();
    struct cpu_cache *cache = cpu_cache_here();
    if (cache != NULL && cache->online)
        drain_idle_magazines(cache);
    quarry_port_irq_restore(irq);
}

/* ---- quarantine ---- */

#if QUARRY_HARDEN
void *cpu_cache_quarantine(void *object)
{
    void *oldest = object;
    irq_state irq = quarry_port_irq_save();
    struct cpu_cache *cache = cpu_cache_here();
    if (cache->online) /* else nothing would drain it */
        oldest = quarantine_exchange(&cache->quarantine, object);
    quarry_port_irq_restore(irq);
    return oldest;
}
#endif
