/* SPDX-License-Identifier: MIT */
/*
 * The harness: a program that runs on the machine without firmware and tests Quarry there.
 *
 *   1. It sets up page tables, descriptor tables, stacks, interrupts and the clock.
 *   2. It initialises Quarry with all memory, including the memory of the firmware's boot services.
 *   3. It starts every CPU.
 *   4. It runs the tests and the stress loops on all CPUs.
 *   5. It prints a summary and exits QEMU with a status, or shows the result on the screen.
 *
 * The harness itself uses one block of memory from the firmware (handoff.h). So each test can
 * initialise Quarry again with all other memory.
 */
#include <quarry/frame.h>
#include <quarry/quarry.h>

#include "boot/console.h"
#include "boot/dashboard.h"
#include "boot/guest.h"
#include "boot/handoff.h"
#include "boot/options.h"
#include "boot/result.h"
#include "boot/x86_64/apic.h"
#include "boot/x86_64/clock.h"
#include "boot/x86_64/instructions.h"
#include "boot/x86_64/interrupts.h"
#include "boot/x86_64/machine.h"
#include "boot/x86_64/paging.h"
#include "boot/x86_64/smp.h"
#include "lib/bits.h"
#include "lib/format.h"
#include "tests/bench/guest/baselines.h"
#include "tests/bench/guest/bench.h"
#include "tests/bench/guest/heapmap.h"
#include "tests/framework/test.h"
#include "tests/stress/stress.h"

#define CPU_DEADLINE_MS 1000u
#define KEY_WAIT_SECONDS 3600u
#define FOREVER_ROUND_SECONDS 20u
#define FOREVER_MICROSECONDS 3600000000ul

static struct handoff *handoff;
static struct options options;

/* From linker.ld: the sections of the image. */
extern const char image_start[], text_start[], text_end[], rodata_start[], rodata_end[];

/* ---- memory of the harness ---- */

size_t handoff_work_bytes(unsigned cpus, const struct mapping_extent *extent)
{
    size_t stack_bytes = cpus * CPU_STACK_AREA_BYTES;
    /* Outside the memory: the framebuffer and the APIC. Pages with rights of their own: the image,
     * page 0, the trampoline, the guard pages between stacks and those of guarded objects. */
    size_t tables = paging_bytes_needed(extent->gibibytes + 4, extent->half_tebibytes + 2,
                                        extent->split_large_pages + stack_bytes / (2 << 20) + 24);
    return tables + stack_bytes + cpus * sizeof(struct cpu) + 3 * 4096;
}

/* Takes page-aligned memory from the start of the work memory. */
static uintptr_t work_alloc(size_t bytes)
{
    uintptr_t start = handoff->work;
    bytes = round_up(bytes, 4096);
    handoff->work += bytes;
    handoff->work_bytes -= bytes;
    return start;
}

static struct smp_memory cpu_memory_alloc(void)
{
    unsigned cpus = handoff->cpus.count;
    return (struct smp_memory){
        .trampoline = handoff->low_page,
        .stack_areas = work_alloc(cpus * CPU_STACK_AREA_BYTES),
        .cpus = (struct cpu *)work_alloc(cpus * sizeof(struct cpu)),
    };
}

/* ---- page tables ---- */

static void map_memory(void)
{
    for (size_t i = 0; i < handoff->region_count; i++)
        paging_map(handoff->regions[i].base, handoff->regions[i].bytes);
    for (size_t i = 0; i < handoff->executable_count; i++)
        paging_map(handoff->executables[i].base, handoff->executables[i].bytes);
    if (handoff->framebuffer.base != 0)
        paging_map(handoff->framebuffer.base, handoff->framebuffer.bytes);
    if (apic_base() != 0)
        paging_map(apic_base(), 4096);
}

static void protect_memory(void)
{
    for (size_t i = 0; i < handoff->executable_count; i++)
        paging_protect(handoff->executables[i].base, handoff->executables[i].bytes, PAGING_ALL);
    paging_protect((uintptr_t)text_start, (size_t)(text_end - text_start), PAGING_READ_EXECUTE);
    paging_protect((uintptr_t)rodata_start, (size_t)(rodata_end - rodata_start), PAGING_READ);
    paging_protect(handoff->low_page, 4096, PAGING_ALL);
    paging_protect(0, 4096, PAGING_NONE); /* an access through NULL faults */
}

static void build_paging(void)
{
    size_t bytes = handoff->work_bytes;
    paging_init(work_alloc(bytes), bytes);
    map_memory();
    protect_memory();
}

/* ---- the end of a run ---- */

/* Tries only once: a fault in the firmware leads back here. */
static void keep_results(enum results_place place)
{
    const char *text;
    size_t bytes = result_text(&text);
    handoff->results = RESULTS_NOWHERE;
    if (place == RESULTS_PROTECTED)
        console_print("results     not stored: cannot write to the USB stick\n");
    else if (place == RESULTS_KEPT && handoff->keep_results(text, bytes))
        console_print("results     kept by the firmware; the next start from this USB stick writes "
                      "them to its results.txt\n");
    else if (place == RESULTS_KEPT)
        console_print("results     not stored: the firmware cannot keep them\n");
}

static _Noreturn void finish(bool passed)
{
    interrupts_off();
    dashboard_stop();
    bool again = handoff->results == RESULTS_KEPT;
    keep_results(handoff->results);
    console_status(passed ? SCREEN_GOOD : SCREEN_BAD, " %s   press a key to %s",
                   passed ? "PASSED" : "FAILED", again ? "start again" : "switch off");
    if (options.wait)
        machine_wait_key(KEY_WAIT_SECONDS);
    machine_qemu_exit(passed);
    if (!options.wait)
        machine_wait_key(KEY_WAIT_SECONDS);
    handoff->reset(!again);
    handoff->reset(again);
    halt_forever();
}

static void stop(const char *report)
{
    interrupts_off();
    console_report(report);
    console_print("\nFAILED: stopped\n");
    finish(false);
}

_Noreturn void quarry_port_panic(const char *report)
{
    guest_stopped(report); /* does not return if a test expects the stop */
    stop(report);
    halt_forever();
}

/* ---- the machine, printed ---- */

static unsigned mebibytes(uint64_t bytes)
{
    return (unsigned)(bytes >> 20);
}

static void report_machine(void)
{
    char name[49];
    machine_processor_name(name);
    console_print("firmware    %s%s\n", handoff->firmware, machine_is_qemu() ? " (QEMU)" : "");
    console_print("processor   %s, clock %lu MHz\n", name, clock_ticks_per_second() / 1000000);
    console_print("image       at %#lx\n", (unsigned long)(uintptr_t)image_start);
    if (handoff->framebuffer.base != 0)
        console_print("screen      %ux%u\n", handoff->framebuffer.width,
                      handoff->framebuffer.height);
}

static void report_memory(size_t reclaimed)
{
    struct quarry_stats stats;
    quarry_stats(&stats);
    console_print("memory      %u MiB usable: %zu frames, of them %zu from boot services\n",
                  mebibytes(stats.frames_total * 4096), stats.frames_total, reclaimed);
    console_print("tables      %zu KiB used by Quarry at the start (%zu KiB lost)\n",
                  stats.boot_bytes / 1024, stats.lost_bytes / 1024);
}

/* ---- CPUs ---- */

static unsigned cpus_wanted(void)
{
    unsigned all = handoff->cpus.count;
    return options.cpus > 0 && options.cpus < all ? options.cpus : all;
}

/* fault=cpu: replaces a CPU by one that does not exist. APIC id 0xfe is unused on common machines.
 */
static void add_missing_cpu(void)
{
    struct cpu_list *cpus = &handoff->cpus;
    if (!text_equals(options.fault, "cpu"))
        return;
    if (cpus_wanted() < 2)
        stop("fault=cpu needs 2 CPUs");
    cpus->apic_ids[1] = 0xfe;
}

static void start_cpus(void)
{
    add_missing_cpu();
    unsigned wanted = cpus_wanted();
    unsigned not_responding = 0;
    for (unsigned i = 1; i < wanted; i++) {
        if (smp_start(handoff->cpus.apic_ids[i], CPU_DEADLINE_MS, options.timer_hertz))
            continue;
        not_responding++;
        console_print("not ok: the CPU with APIC id %u does not answer and is left out\n",
                      handoff->cpus.apic_ids[i]);
    }
    console_print("cpus        %u online, %u not responding, %u disabled\n", smp_cpu_count(),
                  not_responding, handoff->cpus.count - wanted + handoff->cpus.beyond);
}

/* ---- options ---- */

/* A run that is not what was asked for must not pass. */
static void refuse_wrong_options(void)
{
    static char list[HANDOFF_OPTIONS_BYTES];
    if (options.error[0] != 0)
        console_print("not ok: %s\n", options.error);
    else if (handoff->options_cut)
        console_print("not ok: the options have more than %u characters\n",
                      HANDOFF_OPTIONS_BYTES - 1);
    else
        return;
    options_list(list, sizeof list);
    console_print("options     %s\n\nFAILED: wrong options\n", list);
    finish(false);
}

/* ---- faults on demand ---- */

static void break_something(void)
{
    if (text_equals(options.fault, "page"))
        *(volatile int *)handoff->regions[0].base = 1; /* page 0 is not mapped */
    if (text_equals(options.fault, "stop"))
        quarry_free((void *)(uintptr_t)0x123456789a0u);
    if (text_equals(options.fault, "hang"))
        for (;;)
            quarry_port_pause();
}

/* ---- the run ---- */

static void report_latencies(void)
{
    struct dashboard_latencies latencies = dashboard_latencies();
    if (latencies.samples > 0)
        console_print(
            "\nlatency     alloc and free of 64 bytes under stress: median %lu ns, 99.9%% %lu ns, "
            "worst %lu ns\n",
            latencies.median, latencies.permille_999, latencies.worst);
}

static void show_live(void)
{
    char line[160], name[49];
    machine_processor_name(name);
    format_text(line, sizeof line, "%s, %u cpus, %lu MHz, %u MiB; %s", name, smp_cpu_count(),
                clock_ticks_per_second() / 1000000,
                mebibytes(quarry_frame_total_count() * QUARRY_FRAME_BYTES), handoff->firmware);
    interrupts_off();
    dashboard_start(handoff, line, options.timer_hertz);
    interrupts_on();
}

/* Runs rounds of all loops until a key is pressed; for one hour on a machine without a keyboard. */
static struct test_result run_forever(void)
{
    struct test_result all = {0};
    uint64_t end =
        machine_has_keyboard() ? UINT64_MAX : clock_microseconds() + FOREVER_MICROSECONDS;
    stress_set_seconds(FOREVER_ROUND_SECONDS);
    for (unsigned round = 1; all.failed == 0 && clock_microseconds() < end; round++) {
        console_print("round %u, %lu minutes so far; a key ends it\n", round,
                      clock_microseconds() / 60000000);
        struct test_result result = test_run_all("stress");
        all.passed += result.passed;
        all.failed += result.failed;
        if (machine_wait_key(0))
            break;
    }
    return all;
}

static _Noreturn void run_everything(void)
{
    struct test_result result = {0};
    console_status(SCREEN_TITLE, " running tests and stress loops ...");
    bool no_tests = text_equals(options.tests, "none");
    if (options.live)
        show_live();
    stress_set_seconds(options.stress_seconds);
    if (options.forever)
        result = run_forever();
    else if (!no_tests)
        result = test_run_all(options.tests);
    test_heap_fresh();
    if (options.bench)
        bench_run();
    if (options.baselines)
        baselines_run();
    if (options.heapmap)
        heapmap_run();
    report_latencies();
    struct quarry_stats stats;
    quarry_scavenge();
    quarry_stats(&stats);
    console_print(
        "\nsummary     %u cpus, %u MiB, %zu of %zu frames free, heap verified, %lu.%lu s\n",
        smp_cpu_count(), mebibytes(stats.frames_total * 4096), stats.frames_free,
        stats.frames_total, clock_microseconds() / 1000000, clock_microseconds() / 100000 % 10);
    quarry_verify();
    if (result.passed + result.failed + result.skipped == 0 && !no_tests)
        console_print("not ok: no test's name contains \"%s\"\n", options.tests);
    bool passed = result.failed == 0 && (result.passed > 0 || no_tests);
    console_print("%s: %u passed, %u failed, %u skipped\n", passed ? "PASSED" : "FAILED",
                  result.passed, result.failed, result.skipped);
    finish(passed);
}

/* Set by the debugger (make gdb). It reads the printed address to load the symbols there. */
static volatile bool debugger_attached;

static void wait_for_debugger(void)
{
    console_print("waiting for a debugger, image at %#lx\n", (unsigned long)(uintptr_t)image_start);
    while (!debugger_attached)
        quarry_port_pause();
}

/* Runs on the harness's own stack. */
static void on_own_stack(void *argument)
{
    (void)argument;
    apic_init();
    interrupts_set_fault_sink(stop);
    guest_init(handoff);
    report_machine();
    refuse_wrong_options();
    test_heap_fresh();
    report_memory(guest_reclaimed_frames());
    apic_timer_calibrate();
    if (options.timer_hertz > 0)
        apic_timer_start(options.timer_hertz);
    interrupts_on();
    start_cpus();
    break_something();
    run_everything();
}

_Noreturn void harness_main(struct handoff *from_firmware)
{
    handoff = from_firmware;
    options = options_parse(handoff->options);
    clock_init(handoff->ticks_per_second);
    console_init(&handoff->framebuffer);
    screen_title("Quarry   a memory allocator for kernels");
    console_print("\nQuarry test harness\n\n");
    if (options.debug)
        wait_for_debugger();
    struct smp_memory memory = cpu_memory_alloc();
    build_paging();
    paging_load();
    interrupts_init();
    smp_init(&memory, handoff->cpus.apic_ids[0]);
    stack_switch(cpu_stack_top(smp_cpu(0)), on_own_stack, NULL);
}
