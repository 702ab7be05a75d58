// SPDX-License-Identifier: MIT
/*
 * Quarry's port to Linux: memory from alloc_pages(), one per-CPU variable, panic(), and an
 * interrupt that makes another CPU drain its cache. The inline functions are in quarry_arch.h.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/smp.h>

#include "glue.h"

#define CHUNK_ORDER 10 /* the largest order of alloc_pages(): 4 MiB */
#define CHUNK_BYTES (PAGE_SIZE << CHUNK_ORDER)
#define CHUNKS_MAX 256

DEFINE_PER_CPU_ALIGNED(struct quarry_linux_cpu, quarry_linux_cpu);
static DEFINE_PER_CPU(call_single_data_t, drain_calls);

void (*glue_on_stop)(const char *report);

static struct page *chunks[CHUNKS_MAX];
static struct quarry_memory_region regions[CHUNKS_MAX];
static unsigned int chunk_count;

_Noreturn void quarry_port_panic(const char *report)
{
	if (glue_on_stop)
		glue_on_stop(report);
	panic("%s", report);
}

static void on_drain(void *unused)
{
	quarry_drain_interrupt();
}

/* Fails if a call to this CPU is pending, which is enough. */
static void ask_to_drain(unsigned int cpu)
{
	smp_call_function_single_async(cpu, per_cpu_ptr(&drain_calls, cpu));
}

void glue_memory_free(void)
{
	while (chunk_count > 0)
		__free_pages(chunks[--chunk_count], CHUNK_ORDER);
}

int glue_memory_alloc(unsigned int mebibytes, struct quarry_setup *setup)
{
	unsigned int count = min_t(unsigned int, mebibytes / (CHUNK_BYTES >> 20), CHUNKS_MAX);

	while (chunk_count < count) {
		struct page *chunk = alloc_pages(GFP_KERNEL | __GFP_NOWARN, CHUNK_ORDER);

		if (!chunk) {
			glue_memory_free();
			return -ENOMEM;
		}
		regions[chunk_count] = (struct quarry_memory_region){
			.base = PFN_PHYS(page_to_pfn(chunk)),
			.bytes = CHUNK_BYTES,
			.kind = QUARRY_MEMORY_USABLE,
		};
		chunks[chunk_count++] = chunk;
	}
	*setup = (struct quarry_setup){
		.regions = regions,
		.region_count = chunk_count,
		.direct_map = PAGE_OFFSET,
		.cpus = nr_cpu_ids,
		.interrupt_cpu = ask_to_drain,
	};
	return 0;
}

void glue_forget_caches(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct quarry_linux_cpu *mine = per_cpu_ptr(&quarry_linux_cpu, cpu);

		mine->number = cpu;
		memset(&mine->block, 0, sizeof(mine->block));
		INIT_CSD(per_cpu_ptr(&drain_calls, cpu), on_drain, NULL);
	}
}

static void go_online(void *failures)
{
	if (quarry_cpu_online(smp_processor_id()) != QUARRY_OK)
		atomic_inc(failures);
}

int glue_start(const struct quarry_setup *setup)
{
	atomic_t failures = ATOMIC_INIT(0);

	glue_forget_caches();
	if (quarry_init(setup) != QUARRY_OK)
		return -ENOMEM;
	on_each_cpu(go_online, &failures, 1);
	return atomic_read(&failures) ? -ENOMEM : 0;
}
