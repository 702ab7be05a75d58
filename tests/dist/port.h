/* SPDX-License-Identifier: MIT */
/* The least that a port's header says (quarry/port.h): one CPU, no interrupts. */
#ifndef TESTS_DIST_PORT_H
#define TESTS_DIST_PORT_H

extern struct quarry_cpu the_cpu;

static inline uintptr_t quarry_port_irq_save(void)
{
    return 0;
}

static inline void quarry_port_irq_restore(uintptr_t state)
{
    (void)state;
}

static inline void quarry_port_pause(void)
{
}

static inline unsigned quarry_port_cpu_number(void)
{
    return 0;
}

static inline struct quarry_cpu *quarry_port_cpu(void)
{
    return &the_cpu;
}

#endif
