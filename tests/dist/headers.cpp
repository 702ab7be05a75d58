// SPDX-License-Identifier: MIT
// A C++ kernel that includes the separate headers of a release, and then the pair's header as well.
#include <quarry/config.h>
#include <quarry/frame.h>
#include <quarry/guard.h>
#include <quarry/inline.h>
#include <quarry/port.h>
#include <quarry/quarry.h>
#include <quarry_arch.h>

#include "quarry.h"

extern "C" [[noreturn]] void quarry_port_panic(const char *)
{
    for (;;)
        quarry_port_pause();
}

extern "C" void start(uintptr_t *interrupted)
{
    quarry_irq_enter(interrupted);
    quarry_cpu_online(quarry_port_cpu_number());
    quarry_free_inline(quarry_alloc_inline(100), 100);
    quarry_frame_free(quarry_frame_alloc(0), 0);
    quarry_guard_stop();
}
