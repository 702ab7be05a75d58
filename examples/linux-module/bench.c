// SPDX-License-Identifier: MIT
/*
 * Compares Quarry with kmalloc(), a kmem_cache of the same size, and alloc_pages(), by the same
 * loops in one run. On one CPU of QEMU with -icount the timestamp counter counts instructions;
 * elsewhere, cycles. Interrupts are off during a measurement. There is enough memory for all loops.
 */
#include <linux/module.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "glue.h"

#define ROUNDS 1000
#define BATCH 1000
#define LIVE 10000
#define REPLACED 20000

static unsigned int mebibytes = 512;
module_param(mebibytes, uint, 0444);
MODULE_PARM_DESC(mebibytes, "memory for Quarry");

static void *objects[LIVE];
static struct kmem_cache *cache;
static bool failed; /* an allocation has failed */

struct allocator {
	void *(*alloc)(size_t bytes);
	void (*free)(void *object);
};

/* Each is a typical call. The call through the table costs the same for all allocators. */
static void *kmalloc_of(size_t bytes)
{
	return kmalloc(bytes, GFP_NOWAIT | __GFP_NOWARN);
}

static void kfree_of(void *object)
{
	kfree(object);
}

static void *cache_of(size_t bytes)
{
	return kmem_cache_alloc(cache, GFP_NOWAIT | __GFP_NOWARN);
}

static void cache_free(void *object)
{
	kmem_cache_free(cache, object);
}

static void *pages_of(size_t order)
{
	return alloc_pages(GFP_NOWAIT | __GFP_NOWARN, order);
}

static void page_free(void *page)
{
	__free_pages(page, 0);
}

static void page_free_huge(void *page)
{
	__free_pages(page, 9);
}

static void *frames_of(size_t order)
{
	return (void *)(uintptr_t)quarry_frame_alloc(order);
}

static void frame_free(void *frame)
{
	quarry_frame_free((uintptr_t)frame, 0);
}

static void frame_free_huge(void *frame)
{
	quarry_frame_free((uintptr_t)frame, 9);
}

static void *nothing_of(size_t bytes)
{
	return objects;
}

static void nothing_free(void *object)
{
}

static const struct allocator quarry = {quarry_alloc, quarry_free};
static const struct allocator by_kmalloc = {kmalloc_of, kfree_of};
static const struct allocator by_cache = {cache_of, cache_free};
static const struct allocator nothing = {nothing_of, nothing_free};

static noinline void pairs(const struct allocator *allocator, size_t bytes, unsigned int count)
{
	while (count--) {
		void *object = allocator->alloc(bytes);

		failed |= !object;
		barrier_data(object);
		allocator->free(object);
	}
}

static noinline void batch(const struct allocator *allocator, size_t bytes, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		failed |= !(objects[i] = allocator->alloc(bytes));
	while (i-- > 0)
		allocator->free(objects[i]);
}

static u32 next_random(u64 *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 33;
}

/* Replaces one of many objects by one of another size. */
static noinline void replace(const struct allocator *allocator, size_t unused, unsigned int count)
{
	u64 seed = 1;

	while (count--) {
		void **object = &objects[next_random(&seed) % LIVE];

		allocator->free(*object);
		failed |= !(*object = allocator->alloc(16 + next_random(&seed) % 1009));
	}
}

typedef void load(const struct allocator *allocator, size_t bytes, unsigned int count);

/* Tenths of an instruction per step, in the second run, with the cost of the loop. */
static u64 measure(load *run, const struct allocator *allocator, size_t bytes, unsigned int count)
{
	unsigned long flags;
	u64 start, end;

	run(allocator, bytes, count);
	local_irq_save(flags);
	start = rdtsc_ordered();
	run(allocator, bytes, count);
	end = rdtsc_ordered();
	local_irq_restore(flags);
	return (end - start) * 10 / count;
}

static void fill(const struct allocator *allocator)
{
	u64 seed = 2;
	unsigned int i;

	for (i = 0; i < LIVE; i++)
		objects[i] = allocator->alloc(16 + next_random(&seed) % 1009);
}

static void empty(const struct allocator *allocator)
{
	unsigned int i;

	for (i = 0; i < LIVE; i++)
		allocator->free(objects[i]);
}

/* Without the cost of the loop, which is measured with an allocator that does nothing. */
static u64 cost(load *run, const struct allocator *allocator, size_t bytes, unsigned int count)
{
	u64 loop, all;

	if (run == replace)
		fill(&nothing);
	loop = measure(run, &nothing, bytes, count);
	if (run == replace)
		fill(allocator);
	all = measure(run, allocator, bytes, count);
	if (run == replace)
		empty(allocator);
	return all > loop ? all - loop : 0;
}

static void row(const char *what, size_t bytes, u64 ours, u64 theirs, u64 of_cache)
{
	char last[16] = "-";

	if (of_cache)
		snprintf(last, sizeof(last), "%llu.%llu", of_cache / 10, of_cache % 10);
	pr_info("%-26s %6zu  %6llu.%llu  %6llu.%llu  %8s\n", what, bytes, ours / 10, ours % 10,
		theirs / 10, theirs % 10, last);
}

static void row_of_sizes(const char *what, load *run, size_t bytes, unsigned int count)
{
	u64 ours = cost(run, &quarry, bytes, count);
	u64 theirs = cost(run, &by_kmalloc, bytes, count);
	u64 of_cache = 0;

	cache = kmem_cache_create("quarry_bench", bytes, 0, 0, NULL);
	if (cache) {
		of_cache = cost(run, &by_cache, bytes, count);
		kmem_cache_destroy(cache);
	}
	row(what, bytes, ours, theirs, of_cache);
}

static void row_of_frames(const char *what, load *run, unsigned int order, unsigned int count)
{
	const struct allocator frames = {frames_of, order ? frame_free_huge : frame_free};
	const struct allocator pages = {pages_of, order ? page_free_huge : page_free};

	row(what, PAGE_SIZE << order, cost(run, &frames, order, count),
	    cost(run, &pages, order, count), 0);
}

static void table(void)
{
	static const size_t sizes[] = {16, 64, 256, 1024, 4096, 8192, 16384};
	unsigned int i;

	pr_info("%-26s %6s  %8s  %8s  %8s\n", "operation", "bytes", "Quarry", "Linux", "its cache");
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		row_of_sizes("pair", pairs, sizes[i], ROUNDS);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		row_of_sizes("1000, then freed, each", batch, sizes[i], BATCH);
	row("one of 10000 replaced", 0, cost(replace, &quarry, 0, REPLACED),
	    cost(replace, &by_kmalloc, 0, REPLACED), 0);
	row_of_frames("page, pair", pairs, 0, ROUNDS);
	row_of_frames("1000 pages, each", batch, 0, BATCH);
	row_of_frames("2 MiB, pair", pairs, 9, ROUNDS);
}

static int __init bench_init(void)
{
	struct quarry_setup setup;
	int error = glue_memory_alloc(mebibytes, &setup);

	if (!error)
		error = glue_start(&setup);
	if (!error)
		table();
	if (failed)
		error = -ENOMEM;
	glue_memory_free();
	return error;
}

static void __exit bench_exit(void)
{
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Quarry beside Linux's allocators");
