/* SPDX-License-Identifier: MIT */
/*
 * The fast path for every machine: interrupts are masked while a stack changes. A <quarry_arch.h>
 * that has no better form includes this behind its other words; see quarry/port.h.
 */
#ifndef QUARRY_MASKED_H
#define QUARRY_MASKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/port.h>

#define QUARRY_PORT_HAS_FAST_PATH 0

static inline void *quarry_port_pop(size_t stack)
{
    uintptr_t irq = quarry_port_irq_save();
    void ***top = &quarry_port_cpu()->top[stack];
    void *object = **top;
    if (object != NULL)
        *top -= 1;
    quarry_port_irq_restore(irq);
    return object;
}

static inline bool quarry_port_push(size_t stack, void *object)
{
    uintptr_t irq = quarry_port_irq_save();
    void ***top = &quarry_port_cpu()->top[stack];
    bool room = (*top)[1] != QUARRY_MAGAZINE_END;
    if (room) {
        *top += 1;
        **top = object;
    }
    quarry_port_irq_restore(irq);
    return room;
}

#endif
