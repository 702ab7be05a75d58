/* SPDX-License-Identifier: MIT */
/*
 * The object API against a model: a table of the live objects, with their sizes and a pattern that
 * fills each. After every call the objects involved are compared. No two objects may overlap.
 */
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "lib/bits.h"
#include "tests/framework/test.h"
#include "tests/fuzz/fuzz.h"

#define KIB ((size_t)1024)
#define OBJECTS 48u

struct object {
    unsigned char *at; /* NULL: the slot is free */
    size_t bytes;
    unsigned char seed;
    bool aligned; /* may have a larger class than its size requires: no sized free */
};

struct model {
    struct object objects[OBJECTS];
    struct choices choices;
    unsigned char next_seed;
};

/* Large objects are not compared byte by byte. */
static size_t stride_of(size_t bytes)
{
    return bytes > 64 * KIB ? 1021 : 1;
}

static void fill(const struct object *object)
{
    for (size_t i = 0; i < object->bytes; i += stride_of(object->bytes))
        object->at[i] = (unsigned char)(object->seed + i);
    if (object->bytes > 0)
        object->at[object->bytes - 1] = (unsigned char)(object->seed + object->bytes - 1);
}

/* Whether the first `bytes` bytes have the pattern of `seed`. `old_bytes` were filled. */
static bool is_filled(const unsigned char *at, size_t bytes, size_t old_bytes, unsigned char seed)
{
    for (size_t i = 0; i < bytes; i += stride_of(old_bytes))
        if (at[i] != (unsigned char)(seed + i))
            return false;
    return true;
}

static bool is_zero(const unsigned char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (at[i] != 0)
            return false;
    return true;
}

static bool overlaps_another(const struct model *model, const struct object *object)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        const struct object *other = &model->objects[i];
        bool apart = other->at == NULL || other == object ||
                     object->at + object->bytes <= other->at ||
                     other->at + other->bytes <= object->at;
        /* Two objects of 0 bytes must have different addresses. */
        if (!apart || (other != object && other->at == object->at))
            return true;
    }
    return false;
}

static size_t choose_bytes(struct choices *choices)
{
    switch (choose(choices, 8)) {
    case 0:
        return choose(choices, 40 * KIB);
    case 1:
        return 32 * KIB - 8 + choose(choices, 300) * 997;
    case 2:
        return choose(choices, 24) * 256 * KIB + choose(choices, 5);
    default:
        return choose(choices, 1200);
    }
}

static void note_allocated(struct model *model, struct object *object)
{
    object->seed = model->next_seed++;
    EXPECT(quarry_usable_size(object->at) >= object->bytes);
    EXPECT(!overlaps_another(model, object));
    fill(object);
}

/* The slot in the table is free. */
static void allocate(struct model *model, struct object *object)
{
    size_t number = (size_t)(object - model->objects);
    object->bytes = choose_bytes(&model->choices);
    size_t kind = choose(&model->choices, 6);
    object->aligned = kind == 0;
    if (kind == 0) {
        size_t alignment = (size_t)1 << choose(&model->choices, 23);
        FUZZ_TRACE("o[%zu] = quarry_aligned(%zu, %zu);", number, alignment, object->bytes);
        object->at = quarry_aligned(alignment, object->bytes);
        EXPECT((uintptr_t)object->at % alignment == 0);
    } else if (kind == 1) {
        FUZZ_TRACE("o[%zu] = quarry_calloc(%zu, 7);", number, 1 + object->bytes / 7);
        object->at = quarry_calloc(1 + object->bytes / 7, 7);
        EXPECT(object->at == NULL || is_zero(object->at, object->bytes));
    } else {
        FUZZ_TRACE("o[%zu] = quarry_alloc_with(%zu, %s);", number, object->bytes,
                   kind == 2 ? "QUARRY_ZEROED" : "0");
        object->at = quarry_alloc_with(object->bytes, kind == 2 ? QUARRY_ZEROED : 0);
        EXPECT(object->at == NULL || kind != 2 || is_zero(object->at, object->bytes));
    }
    if (kind == 1)
        object->bytes = (1 + object->bytes / 7) * 7;
    if (object->at != NULL)
        note_allocated(model, object);
}

static void resize(struct model *model, struct object *object)
{
    size_t bytes = choose_bytes(&model->choices);
    size_t kept = min_u64(bytes, object->bytes);
    size_t number = (size_t)(object - model->objects);
    FUZZ_TRACE("o[%zu] = quarry_realloc(o[%zu], %zu);", number, number, bytes);
    unsigned char *at = quarry_realloc(object->at, bytes);
    if (at == NULL) {
        EXPECT(is_filled(object->at, object->bytes, object->bytes, object->seed));
        return;
    }
    EXPECT(is_filled(at, kept, object->bytes, object->seed));
    object->at = at;
    object->bytes = bytes;
    object->aligned = false;
    note_allocated(model, object);
}

static void release(const struct model *model, struct object *object, bool sized)
{
    size_t number = (size_t)(object - model->objects);
    EXPECT(is_filled(object->at, object->bytes, object->bytes, object->seed));
    if (sized && !object->aligned) {
        FUZZ_TRACE("quarry_free_sized(o[%zu], %zu);", number, object->bytes);
        quarry_free_sized(object->at, object->bytes);
    } else {
        FUZZ_TRACE("quarry_free(o[%zu]);", number);
        quarry_free(object->at);
    }
    object->at = NULL;
}

static void step(struct model *model)
{
    static const char *const calls[] = {"quarry_scavenge_step();", "quarry_scavenge();",
                                        "quarry_verify();", "quarry_cpu_offline();",
                                        "quarry_cpu_online(0);"};
    struct object *object = &model->objects[choose(&model->choices, OBJECTS)];
    size_t what = choose(&model->choices, 40);
    if (what < sizeof calls / sizeof calls[0])
        FUZZ_TRACE("%s", calls[what]);
    if (what == 0)
        quarry_scavenge_step();
    else if (what == 1)
        quarry_scavenge();
    else if (what == 2)
        quarry_verify();
    else if (what == 3)
        quarry_cpu_offline();
    else if (what == 4)
        quarry_cpu_online(quarry_port_cpu_number());
    else if (object->at == NULL)
        allocate(model, object);
    else if (what < 16)
        resize(model, object);
    else
        release(model, object, what % 2 == 0);
}

void fuzz_object(const uint8_t *bytes, size_t count)
{
    static struct model model;
    test_heap_fresh();
    model = (struct model){.choices = {bytes, bytes + count}};
    while (choices_left(&model.choices))
        step(&model);
    quarry_verify();
    size_t live = 0;
    size_t asked_bytes = 0;
    for (unsigned i = 0; i < OBJECTS; i++) {
        live += model.objects[i].at != NULL;
        asked_bytes += model.objects[i].at != NULL ? model.objects[i].bytes : 0;
    }
    struct quarry_stats stats;
    quarry_stats(&stats);
    EXPECT(stats.small_live_objects + stats.large_live_objects == live);
    EXPECT(stats.small_live_bytes + stats.large_live_bytes >= asked_bytes);
    EXPECT(stats.frames_free * 4096 + stats.arena_bytes + stats.metadata_bytes ==
           stats.frames_total * 4096);
    for (unsigned i = 0; i < OBJECTS; i++)
        if (model.objects[i].at != NULL)
            release(&model, &model.objects[i], true);
    test_heap_drain();
    quarry_verify();
    quarry_stats(&stats);
    EXPECT(stats.arenas == 0);
}
