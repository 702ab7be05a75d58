/* SPDX-License-Identifier: MIT */
/* Kinds of objects: which table of operations an address reaches. */
#include "mm/pages/object_kind.h"

#include <quarry/quarry.h>

#include "tests/framework/test.h"

/* The range is the inner part. */
static char memory[384] __attribute__((__aligned__(64)));
#define RANGE_BYTES 256u
static char *const range = memory + 64;
static void *freed;
static struct span *freed_span;
static size_t resized_to;

static void fake_free(struct span *span, void *object, const void *caller)
{
    (void)caller;
    freed = object;
    freed_span = span;
}

static size_t fake_usable_bytes(struct span *span, const void *object, const char *operation)
{
    (void)span, (void)object, (void)operation;
    return 48;
}

static bool fake_fits(struct span *span, const void *object, size_t bytes)
{
    (void)span, (void)object;
    return bytes == 40;
}

static bool fake_resize(struct span *span, void *object, size_t bytes)
{
    (void)span, (void)object;
    resized_to = bytes;
    return bytes <= 48;
}

static const struct object_kind fake_kind = {
    .free = fake_free,
    .usable_bytes = fake_usable_bytes,
    .fits = fake_fits,
    .resize = fake_resize,
};

static void register_range(void)
{
    test_heap_fresh();
    freed = NULL;
    freed_span = NULL;
    object_kind_register_range(&fake_kind, (uintptr_t)range, RANGE_BYTES);
}

TEST(object_kind_of_a_range_serves_the_public_functions)
{
    register_range();
    struct span *span;
    EXPECT(object_kind_at(range, &span) == &fake_kind && span == NULL);
    EXPECT(object_kind_at(range + RANGE_BYTES - 1, &span) == &fake_kind);
    EXPECT(quarry_usable_size(range + 64) == 48);
    quarry_free(range + 64);
    EXPECT(freed == range + 64 && freed_span == NULL);
    quarry_free_sized(range + 128, 40);
    EXPECT(freed == range + 128);
    EXPECT(quarry_realloc(range, 40) == range && resized_to == 40);
}

TEST(object_kind_moves_an_object_that_cannot_stay)
{
    register_range();
    range[47] = 'x';
    char *moved = quarry_realloc(range, 100);
    REQUIRE(moved != NULL && moved != range);
    EXPECT(moved[47] == 'x' && freed == range);
    quarry_free(moved);
}

static void free_behind_the_range(void *unused)
{
    (void)unused;
    register_range();
    quarry_free(range + RANGE_BYTES);
}

static void free_before_the_range(void *unused)
{
    (void)unused;
    register_range();
    quarry_free(range - 1);
}

static void free_in_a_forgotten_range(void *unused)
{
    (void)unused;
    register_range();
    test_heap_fresh();
    quarry_free(range);
}

static void free_with_a_wrong_size(void *unused)
{
    (void)unused;
    register_range();
    quarry_free_sized(range, 41);
}

static void register_too_many(void *unused)
{
    (void)unused;
    test_heap_fresh();
    for (unsigned i = 0; i <= OBJECT_RANGES_MAX; i++)
        object_kind_register_range(&fake_kind, (uintptr_t)range + i, 1);
}

TEST(object_kind_of_a_range_ends_with_the_range)
{
    test_expect_stop(free_behind_the_range, NULL, "quarry: bad free: foreign pointer");
    test_expect_stop(free_before_the_range, NULL, "quarry: bad free: foreign pointer");
    test_expect_stop(free_in_a_forgotten_range, NULL, "quarry: bad free: foreign pointer");
    test_expect_stop(free_with_a_wrong_size, NULL, "quarry: bad sized free: wrong size");
    test_expect_stop(register_too_many, NULL, "quarry: more than 4 ranges");
    test_heap_fresh();
}

TEST(object_kind_of_spans_is_in_the_span)
{
    test_heap_fresh();
    void *small = quarry_alloc(100);
    void *large = quarry_alloc((size_t)3 << 20);
    REQUIRE(small != NULL && large != NULL);
    struct span *span;
    EXPECT(object_kind_at(small, &span) == object_kinds[SPAN_SMALL] && span->kind == SPAN_SMALL);
    EXPECT(object_kind_at(large, &span) == object_kinds[SPAN_LARGE] && span->kind == SPAN_LARGE);
    quarry_free(small);
    quarry_free(large);
}
