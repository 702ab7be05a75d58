// SPDX-License-Identifier: MIT
/* Quarry's self-tests as a module: the platform of tests/framework/platform.h for Linux. */
#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "glue.h"
#include "tests/framework/platform.h"
#include "tests/framework/test.h"

#define TICK_NANOSECONDS 1000000

static unsigned int mebibytes = 128;
module_param(mebibytes, uint, 0444);
MODULE_PARM_DESC(mebibytes, "memory for the heap under test");

static char *only = "";
module_param(only, charp, 0444);
MODULE_PARM_DESC(only, "tests whose names contain this");

static struct quarry_setup heap_setup;

void platform_print(const char *text)
{
	printk(KERN_CONT "%s", text);
}

void platform_progress(unsigned int number, unsigned int total, const char *name)
{
}

unsigned int platform_cpu_count(void)
{
	return num_online_cpus();
}

bool platform_interrupts_on(void)
{
	return !irqs_disabled();
}

uint64_t platform_milliseconds(void)
{
	return ktime_get_ns() / 1000000;
}

void platform_setup(struct quarry_setup *setup)
{
	*setup = heap_setup;
}

void platform_forget_caches(void)
{
	glue_forget_caches();
}

void platform_move_to(unsigned int cpu)
{
	set_cpus_allowed_ptr(current, cpumask_of(cpu));
}

/* ---- work on all CPUs: a kernel thread for each, with preemption ---- */

struct job {
	void (*work)(void *argument);
	void *argument;
	struct completion done;
};

static int run_job(void *data)
{
	struct job *job = data;

	job->work(job->argument);
	complete(&job->done);
	return 0;
}

void platform_run(unsigned int cpus, void (*work)(void *argument), void *argument)
{
	struct job job = {work, argument};
	unsigned int cpu, started = 0;

	init_completion(&job.done);
	for (cpu = 1; cpu < cpus; cpu++) {
		struct task_struct *thread = kthread_create(run_job, &job, "quarry/%u", cpu);

		if (IS_ERR(thread)) {
			test_fail("a thread for each CPU", __FILE__, __LINE__);
			continue;
		}
		kthread_bind(thread, cpu);
		wake_up_process(thread);
		started++;
	}
	work(argument);
	while (started-- > 0)
		wait_for_completion(&job.done);
}

/* ---- a timer interrupt every millisecond on every CPU, while a test has a handler ---- */

static DEFINE_PER_CPU(struct hrtimer, tick_timers);
static void (*tick_handler)(void);

static enum hrtimer_restart on_tick(struct hrtimer *timer)
{
	if (quarry_port_cpu()->cache) /* a CPU that was never online in this heap cannot allocate */
		tick_handler();
	hrtimer_forward_now(timer, TICK_NANOSECONDS);
	return HRTIMER_RESTART;
}

static void start_timer(void *unused)
{
	struct hrtimer *timer = this_cpu_ptr(&tick_timers);

	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	timer->function = on_tick;
	hrtimer_start(timer, TICK_NANOSECONDS, HRTIMER_MODE_REL_PINNED_HARD);
}

void platform_on_tick(void (*handler)(void))
{
	unsigned int cpu;

	if (tick_handler)
		for_each_online_cpu(cpu)
			hrtimer_cancel(per_cpu_ptr(&tick_timers, cpu));
	tick_handler = handler;
	if (handler)
		on_each_cpu(start_timer, NULL, 1);
}

/* ---- not possible in a Linux module ---- */

unsigned long platform_step(void (*work)(void *argument), void *argument, void (*between)(void))
{
	return 0;
}

unsigned long platform_step_nmi(void (*work)(void *argument), void *argument,
				void (*between)(void))
{
	return 0;
}

void platform_on_nmi(void (*handler)(void))
{
}

bool platform_on_pause(void (*handler)(void))
{
	return false;
}

/* ---- stops ---- */

void platform_on_stop(platform_stop_handler *handler)
{
	glue_on_stop = handler;
}

static int __init selftest_init(void)
{
	struct test_result result;
	int error = glue_memory_alloc(mebibytes, &heap_setup);

	if (error)
		return error;
	platform_move_to(0);
	result = test_run_all(only);
	pr_info("%u passed, %u failed, %u skipped\n", result.passed, result.failed, result.skipped);
	glue_memory_free();
	return result.failed ? -EIO : 0;
}

static void __exit selftest_exit(void)
{
}

module_init(selftest_init);
module_exit(selftest_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Quarry's self-tests");
