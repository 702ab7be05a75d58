/* SPDX-License-Identifier: MIT */
/*
 * Push and pop for every machine: interrupts are masked while a magazine changes. A <quarry_arch.h>
 * that has no faster form includes this file after its own functions; see quarry/port.h.
 */
#ifndef QUARRY_MASKED_H
#define QUARRY_MASKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/port.h>

#define QUARRY_PORT_HAS_FAST_PATH 0

static inline void *quarry_port_pop(size_t magazine)
{
    uintptr_t irq = quarry_port_irq_save();
    void ***top = &quarry_port_cpu()->top[magazine];
    void *object = **top;
    if (object != NULL)
        *top -= 1;
    quarry_port_irq_restore(irq);
    return object;
}

static inline bool quarry_port_push(size_t magazine, void *object)
{
    uintptr_t irq = quarry_port_irq_save();
    void ***top = &quarry_port_cpu()->top[magazine];
    bool has_room = (*top)[1] != QUARRY_MAGAZINE_END;
    if (has_room) {
        *top += 1;
        **top = object;
    }
    quarry_port_irq_restore(irq);
    return has_room;
}

#endif
