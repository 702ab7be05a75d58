/* SPDX-License-Identifier: MIT */
/* The console; see console.h. */
#include "boot/console.h"

#include <quarry_arch.h>

#include "boot/result.h"
#include "boot/x86_64/serial.h"
#include "lib/atomic.h"
#include "lib/format.h"

#define LINE_BYTES 1024u

/* Not a lock of lib/spinlock.h: the console must work when Quarry's locks and ranks do not. */
static bool busy;

static uintptr_t console_acquire(void)
{
    uintptr_t irq = quarry_port_irq_save();
    while (atomic_exchange(&busy, true))
        quarry_port_pause();
    return irq;
}

static void console_release(uintptr_t irq)
{
    atomic_store_release(&busy, false);
    quarry_port_irq_restore(irq);
}

void console_init(const struct framebuffer *framebuffer)
{
    serial_init();
    screen_init(framebuffer);
}

static bool begins_with(const char *text, const char *with)
{
    while (*with != 0)
        if (*text++ != *with++)
            return false;
    return true;
}

static enum screen_colour colour_of(const char *line)
{
    if (begins_with(line, "ok") || begins_with(line, "PASSED"))
        return SCREEN_GOOD;
    if (begins_with(line, "not ok") || begins_with(line, "FAILED"))
        return SCREEN_BAD;
    return begins_with(line, "#") ? SCREEN_DIM : SCREEN_TEXT;
}

/* A line may arrive in several pieces; the first one decides its colour. */
static void write(const char *text)
{
    static enum screen_colour colour;
    static bool within_line;
    if (!within_line)
        colour = colour_of(text);
    result_note(text);
    serial_write(text);
    screen_write(text, colour);
    for (; *text != 0; text++)
        within_line = *text != '\n';
}

void console_print(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    format_text_list(line, sizeof line, format, arguments);
    va_end(arguments);
    uintptr_t irq = console_acquire();
    write(line);
    console_release(irq);
}

void console_status(enum screen_colour colour, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    format_text_list(line, sizeof line, format, arguments);
    va_end(arguments);
    uintptr_t irq = console_acquire();
    screen_status(line, colour);
    console_release(irq);
}

void console_report(const char *report)
{
    result_note("\n");
    result_note(report);
    result_note("\n");
    serial_write("\n");
    serial_write(report);
    serial_write("\n");
    screen_write("\n", SCREEN_BAD);
    screen_write(report, SCREEN_BAD);
    screen_write("\n", SCREEN_BAD);
}
