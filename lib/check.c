/* SPDX-License-Identifier: MIT */
/* Stopping with a report; see check.h. */
#include "lib/check.h"

#include <quarry/port.h>

#include "lib/atomic.h"
#include "lib/format.h"

#define REPORT_BYTES 4096

/* Owned by the first CPU that stops. Static, because the stack may be nearly full. */
static char report[REPORT_BYTES];
static size_t report_length;
static bool stopping;

void stop_forget(void)
{
    atomic_store_relaxed(&stopping, false);
}

static void add_list(const char *format, va_list arguments)
{
    report_length +=
        format_text_list(report + report_length, sizeof report - report_length, format, arguments);
}

void report_begin(void)
{
    if (atomic_exchange(&stopping, true))
        quarry_port_panic("quarry: a second stop, during the report of the first");
    report_length = 0;
}

void report_add(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_list(format, arguments);
    va_end(arguments);
}

void report_stop(void)
{
    quarry_port_panic(report);
}

void stop_with(const char *format, ...)
{
    report_begin();
    va_list arguments;
    va_start(arguments, format);
    add_list(format, arguments);
    va_end(arguments);
    report_stop();
}
