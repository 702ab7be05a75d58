/* SPDX-License-Identifier: MIT */
/* The local APIC; see apic.h. */
#include "boot/x86_64/apic.h"

#include <quarry_arch.h>

#include "boot/x86_64/clock.h"
#include "boot/x86_64/instructions.h"
#include "boot/x86_64/vectors.h"

#define APIC_BASE_X2 (1u << 10)
#define APIC_BASE_ADDRESS 0xffffff000u

/* Offsets of the registers in memory. With the x2APIC: MSR_X2APIC_FIRST + offset / 16. */
enum {
    REGISTER_ID = 0x20,
    REGISTER_TASK_PRIORITY = 0x80,
    REGISTER_END_OF_INTERRUPT = 0xb0,
    REGISTER_SPURIOUS = 0xf0,
    REGISTER_COMMAND = 0x300,
    REGISTER_COMMAND_HIGH = 0x310,
    REGISTER_TIMER = 0x320,
    REGISTER_TIMER_INITIAL = 0x380,
    REGISTER_TIMER_CURRENT = 0x390,
    REGISTER_TIMER_DIVIDE = 0x3e0,
};

#define SPURIOUS_ENABLE 0x100u
#define TIMER_PERIODIC 0x20000u
#define TIMER_MASKED 0x10000u
#define TIMER_DIVIDE_BY_16 3u
#define COMMAND_PENDING 0x1000u
#define COMMAND_INIT 0x4500u
#define COMMAND_STARTUP 0x4600u
#define COMMAND_FIXED 0x4000u

static uint32_t timer_ticks_per_second;

static bool is_x2(void)
{
    return msr_read(MSR_APIC_BASE) & APIC_BASE_X2;
}

uintptr_t apic_base(void)
{
    return is_x2() ? 0 : msr_read(MSR_APIC_BASE) & APIC_BASE_ADDRESS;
}

static volatile uint32_t *register_in_memory(unsigned offset)
{
    return (volatile uint32_t *)(apic_base() + offset);
}

static uint32_t register_read(unsigned offset)
{
    if (is_x2())
        return (uint32_t)msr_read(MSR_X2APIC_FIRST + offset / 16);
    return *register_in_memory(offset);
}

static void register_write(unsigned offset, uint32_t value)
{
    if (is_x2())
        msr_write(MSR_X2APIC_FIRST + offset / 16, value);
    else
        *register_in_memory(offset) = value;
}

void apic_init(void)
{
    register_write(REGISTER_TASK_PRIORITY, 0);
    register_write(REGISTER_TIMER, TIMER_MASKED);
    register_write(REGISTER_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
}

uint32_t apic_id(void)
{
    uint32_t id = register_read(REGISTER_ID);
    return is_x2() ? id : id >> 24;
}

void apic_acknowledge(void)
{
    register_write(REGISTER_END_OF_INTERRUPT, 0);
}

/* ---- the timer ---- */

void apic_timer_calibrate(void)
{
    register_write(REGISTER_TIMER_DIVIDE, TIMER_DIVIDE_BY_16);
    register_write(REGISTER_TIMER, TIMER_MASKED);
    register_write(REGISTER_TIMER_INITIAL, UINT32_MAX);
    clock_wait_microseconds(10000);
    timer_ticks_per_second = (UINT32_MAX - register_read(REGISTER_TIMER_CURRENT)) * 100;
    register_write(REGISTER_TIMER_INITIAL, 0);
}

void apic_timer_start(unsigned hertz)
{
    uint32_t count = timer_ticks_per_second / hertz;
    register_write(REGISTER_TIMER_DIVIDE, TIMER_DIVIDE_BY_16);
    register_write(REGISTER_TIMER, TIMER_PERIODIC | VECTOR_TIMER);
    register_write(REGISTER_TIMER_INITIAL, count > 0 ? count : 1);
}

/* ---- between CPUs ---- */

static void command(uint32_t to_apic_id, uint32_t what)
{
    if (is_x2()) {
        /* The write of this MSR does not wait for earlier stores, which the receiver must see
         * (Intel SDM volume 3, "MSR Access in x2APIC Mode"). */
        __asm__ volatile("mfence; lfence" ::: "memory");
        msr_write(MSR_X2APIC_FIRST + REGISTER_COMMAND / 16, (uint64_t)to_apic_id << 32 | what);
        return;
    }
    /* Two writes that must not be interrupted, after the previous command was sent. */
    uintptr_t irq = quarry_port_irq_save();
    for (unsigned i = 0; i < 100000 && register_read(REGISTER_COMMAND) & COMMAND_PENDING; i++)
        quarry_port_pause();
    register_write(REGISTER_COMMAND_HIGH, to_apic_id << 24);
    register_write(REGISTER_COMMAND, what);
    quarry_port_irq_restore(irq);
}

bool apic_can_reach(uint32_t to_apic_id)
{
    return is_x2() || to_apic_id < 0xff;
}

void apic_send(uint32_t to_apic_id, unsigned vector)
{
    command(to_apic_id, COMMAND_FIXED | vector);
}

void apic_send_init(uint32_t to_apic_id)
{
    command(to_apic_id, COMMAND_INIT);
}

void apic_send_startup(uint32_t to_apic_id, uintptr_t page)
{
    command(to_apic_id, COMMAND_STARTUP | (uint32_t)(page >> 12));
}
