/* SPDX-License-Identifier: MIT */
/* Interrupts and faults; see interrupts.h. */
#include "boot/x86_64/interrupts.h"

#include <stddef.h>

#include <quarry_arch.h>

#include "boot/x86_64/apic.h"
#include "boot/x86_64/cpu.h"
#include "boot/x86_64/instructions.h"
#include "lib/atomic.h"
#include "lib/format.h"

#define FLAGS_TRAP 0x100u

#define VECTORS 256u
#define EXCEPTIONS 32u
#define VECTOR_DEBUG 1u
#define VECTOR_NMI 2u
#define VECTOR_DOUBLE_FAULT 8u
#define VECTOR_PAGE_FAULT 14u
#define PAGE_FAULT_WRITE 2u /* in the error code */
#define VECTOR_MACHINE_CHECK 18u

struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t stack;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

_Static_assert(sizeof(struct gate) == 16, "the processor's format");

static struct gate gates[VECTORS] __attribute__((__aligned__(16)));
static void (*handlers[VECTORS])(void);
static void (*fault_sink)(const char *report);
static void (*page_fault_hook)(const void *address, bool write, const void *instruction);
static void (*step_handler)(bool interrupts_were_on);

extern const char interrupt_stubs[]; /* entry.S: 16 bytes each */
void interrupt_dispatch(struct interrupt_frame *frame);

static const char *const exception_names[EXCEPTIONS] = {
    "divide error",
    "debug",
    "NMI",
    "breakpoint",
    "overflow",
    "bound range",
    "invalid opcode",
    "no FPU",
    "double fault",
    "coprocessor overrun",
    "invalid TSS",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "reserved",
    "x87 error",
    "alignment check",
    "machine check",
    "SIMD error",
    "virtualization",
    "control protection",
};

static uint8_t stack_of(unsigned vector)
{
    bool separate =
        vector == VECTOR_NMI || vector == VECTOR_DOUBLE_FAULT || vector == VECTOR_MACHINE_CHECK;
    return separate ? CPU_FAULT_STACK : 0;
}

static void mask_old_controller(void)
{
    port_write_8(0x21, 0xff);
    port_write_8(0xa1, 0xff);
}

void interrupts_init(void)
{
    for (unsigned vector = 0; vector < VECTORS; vector++) {
        uintptr_t stub = (uintptr_t)interrupt_stubs + vector * 16ul;
        gates[vector] = (struct gate){
            .offset_low = (uint16_t)stub,
            .selector = GDT_CODE,
            .stack = stack_of(vector),
            .type = 0x8e, /* interrupt gate: interrupts are off in the handler */
            .offset_middle = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
        };
    }
    mask_old_controller();
}

void interrupts_load(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((__packed__)) pointer = {sizeof gates - 1, (uintptr_t)gates};
    __asm__ volatile("lidt %0" : : "m"(pointer) : "memory");
}

void interrupts_set_handler(unsigned vector, void (*handler)(void))
{
    handlers[vector] = handler;
}

void interrupts_set_nmi_handler(void (*handler)(void))
{
    atomic_store_release(&handlers[VECTOR_NMI], handler);
}

void interrupts_set_fault_sink(void (*sink)(const char *report))
{
    fault_sink = sink;
}

void interrupts_set_page_fault_hook(void (*hook)(const void *address, bool write,
                                                 const void *instruction))
{
    page_fault_hook = hook;
}

static _Noreturn void report_fault(const struct interrupt_frame *frame)
{
    static char report[1024];
    const char *name = frame->vector < EXCEPTIONS ? exception_names[frame->vector] : NULL;
    format_text(report, sizeof report,
                "fault: %s (vector %lu, error %#lx) on cpu %u\n"
                "  rip %016lx  cs %04lx  rflags %08lx  cr2 %016lx\n"
                "  rsp %016lx  ss %04lx  rbp %016lx  cr3 %016lx\n"
                "  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n"
                "  rsi %016lx  rdi %016lx  r8  %016lx  r9  %016lx\n"
                "  r10 %016lx  r11 %016lx  r12 %016lx  r13 %016lx\n"
                "  r14 %016lx  r15 %016lx",
                name != NULL ? name : "unexpected interrupt", frame->vector, frame->error_code,
                this_cpu()->number, frame->rip, frame->cs, frame->rflags, cr2_read(), frame->rsp,
                frame->ss, frame->rbp, cr3_read(), frame->rax, frame->rbx, frame->rcx, frame->rdx,
                frame->rsi, frame->rdi, frame->r8, frame->r9, frame->r10, frame->r11, frame->r12,
                frame->r13, frame->r14, frame->r15);
    if (fault_sink != NULL)
        fault_sink(report);
    halt_forever();
}

static void set_trap_flag(bool on)
{
    uint64_t flags;
    __asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags) : : "memory");
    flags = on ? flags | FLAGS_TRAP : flags & ~(uint64_t)FLAGS_TRAP;
    __asm__ volatile("pushq %0\n\tpopfq" : : "r"(flags) : "memory", "cc");
}

void interrupts_step(void (*work)(void *argument), void *argument,
                     void (*on_step)(bool interrupts_were_on))
{
    step_handler = on_step;
    set_trap_flag(true);
    work(argument);
    set_trap_flag(false);
    step_handler = NULL;
}

/*
 * Handles the trap after each instruction. If every trap restarted a restartable sequence, it would
 * never end. So each instruction of a sequence is interrupted once and not again after the restart.
 */
static void step(struct interrupt_frame *frame)
{
    static uintptr_t furthest; /* the last interrupted instruction of the current sequence */
    uintptr_t interrupted = frame->rip;
    quarry_irq_enter(&frame->rip);
    if (frame->rip == interrupted) {
        furthest = 0;
    } else if (interrupted <= furthest) {
        frame->rip = interrupted;
        return;
    } else {
        furthest = interrupted;
    }
    step_handler(frame->rflags & FLAGS_INTERRUPTS);
}

static void handle_nmi(void)
{
    void (*handler)(void) = atomic_load_acquire(&handlers[VECTOR_NMI]);
    if (handler != NULL)
        handler();
}

void interrupt_dispatch(struct interrupt_frame *frame)
{
    if (frame->vector == VECTOR_DEBUG && step_handler != NULL) {
        step(frame);
        return;
    }
    quarry_irq_enter(&frame->rip);
    if (frame->vector == VECTOR_SPURIOUS)
        return; /* it must not be acknowledged */
    if (frame->vector == VECTOR_NMI) {
        handle_nmi();
        return;
    }
    void (*handler)(void) = handlers[frame->vector];
    if (frame->vector == VECTOR_PAGE_FAULT && page_fault_hook != NULL)
        page_fault_hook((const void *)cr2_read(), frame->error_code & PAGE_FAULT_WRITE,
                        (const void *)frame->rip);
    if (frame->vector < EXCEPTIONS || handler == NULL) {
        report_fault(frame);
    } else {
        handler();
        apic_acknowledge();
    }
}
