/* SPDX-License-Identifier: MIT */
/* The one way to stop; see check.h. */
#include "lib/check.h"

#include <quarry/port.h>

#include "lib/atomic.h"
#include "lib/format.h"

#define REPORT_BYTES 1024

/* The first to stop owns the buffer: a stack may be too short for it at such a time. */
static char report[REPORT_BYTES];
static bool stopping;

void quarry_stop_forget(void)
{
    atomic_store_relaxed(&stopping, false);
}

void quarry_stop(const char *format, ...)
{
    if (atomic_exchange(&stopping, true))
        quarry_port_panic("quarry: a second stop, during the report of the first");
    va_list arguments;
    va_start(arguments, format);
    format_text_list(report, sizeof report, format, arguments);
    va_end(arguments);
    quarry_port_panic(report);
}
