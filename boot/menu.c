/* SPDX-License-Identifier: MIT */
/* The menu; see menu.h. Keys: arrows and Enter, or an entry's digit. Any key stops the countdown.
 */
#include "boot/menu.h"

#include <stddef.h>

#include "lib/format.h"

#define POLL_MICROSECONDS 50000u
#define POLLS_PER_SECOND (1000000u / POLL_MICROSECONDS)
#define LINE_CHARACTERS 100u

#define COLOUR_PLAIN (EFI_LIGHTGRAY | EFI_BACKGROUND_BLACK)
#define COLOUR_TITLE (EFI_WHITE | EFI_BACKGROUND_BLUE)
#define COLOUR_CHOSEN (EFI_BLACK | EFI_BACKGROUND_LIGHTGRAY)
#define COLOUR_QUIET (EFI_CYAN | EFI_BACKGROUND_BLACK)

struct entry {
    const char *name; /* in quarry.cfg: default=NAME */
    const char *title;
    const char *about;
    const char *words; /* options that it adds; NULL: switch off */
};

static const struct entry entries[] = {
    {"quick", "Quick check", "all tests and a short stress run, less than a minute", "live wait"},
    {"full", "Full check", "the same, with ten minutes of stress", "live wait stress=600"},
    {"stress", "Stress until stopped", "on all CPUs, until a key is pressed",
     "live wait tests=stress forever"},
    {"benchmark", "Benchmark", "the cost of allocation in ticks of the processor's clock",
     "wait tests=none bench"},
    {"failsafe", "Failsafe check", "one CPU, no timer interrupts", "live wait cpus=1 notimer"},
    {"off", "Switch off", "", NULL},
};

#define ENTRIES (sizeof entries / sizeof entries[0])

static SIMPLE_TEXT_OUTPUT_INTERFACE *out;

static void put(UINTN colour, const CHAR16 *text)
{
    uefi_call_wrapper(out->SetAttribute, 2, out, colour);
    uefi_call_wrapper(out->OutputString, 2, out, (CHAR16 *)text);
}

static void put_line(UINTN colour, const char *format, ...)
{
    char line[LINE_CHARACTERS];
    CHAR16 wide[LINE_CHARACTERS];
    va_list arguments;
    va_start(arguments, format);
    format_text_list(line, sizeof line, format, arguments);
    va_end(arguments);
    size_t length = 0;
    for (; line[length] != 0; length++)
        wide[length] = (CHAR16)line[length];
    wide[length] = 0;
    put(colour, wide);
    put(COLOUR_PLAIN, u"\r\n");
}

static void show(const CHAR16 *notice, size_t chosen)
{
    uefi_call_wrapper(out->SetAttribute, 2, out, COLOUR_PLAIN);
    uefi_call_wrapper(out->ClearScreen, 1, out);
    put_line(COLOUR_TITLE,
             "  Quarry   a memory allocator for kernels                                ");
    put(COLOUR_PLAIN, u"\r\n");
    for (size_t i = 0; i < ENTRIES; i++) {
        put(COLOUR_PLAIN, u"   ");
        put_line(i == chosen ? COLOUR_CHOSEN : COLOUR_PLAIN, " %zu  %-22s", i + 1,
                 entries[i].title);
        put_line(COLOUR_QUIET, "       %s", entries[i].about);
    }
    put(COLOUR_PLAIN, u"\r\n");
    put(COLOUR_QUIET, notice);
    put(COLOUR_PLAIN, u"\r\n");
}

static void show_countdown(unsigned seconds, size_t chosen)
{
    put_line(COLOUR_PLAIN, "   %s starts in %u s; any key stops the countdown.   ",
             entries[chosen].title, seconds);
    INT32 row = out->Mode->CursorRow;
    if (row > 0) /* the next countdown overwrites this line */
        uefi_call_wrapper(out->SetCursorPosition, 3, out, 0, (UINTN)row - 1);
}

/* The entry that is selected after a key. `*done`: the choice is final. */
static size_t follow(const EFI_INPUT_KEY *key, size_t chosen, bool *done)
{
    if (key->ScanCode == SCAN_UP)
        return (chosen + ENTRIES - 1) % ENTRIES;
    if (key->ScanCode == SCAN_DOWN)
        return (chosen + 1) % ENTRIES;
    bool is_digit = key->UnicodeChar >= u'1' && key->UnicodeChar < u'1' + ENTRIES;
    *done = is_digit || key->UnicodeChar == u'\r' || key->UnicodeChar == u'\n';
    return is_digit ? (size_t)(key->UnicodeChar - u'1') : chosen;
}

static size_t entry_named(const char *name)
{
    for (size_t i = 0; i < ENTRIES; i++)
        if (text_equals(entries[i].name, name))
            return i;
    return 0;
}

const char *menu_choose(EFI_SYSTEM_TABLE *table, const CHAR16 *notice, unsigned seconds,
                        const char *preselected)
{
    size_t chosen = entry_named(preselected);
    bool counting = seconds > 0, done = false;
    out = table->ConOut;
    if (out == NULL || table->ConIn == NULL)
        return entries[chosen].words;
    uefi_call_wrapper(table->ConIn->Reset, 2, table->ConIn, FALSE);
    show(notice, chosen);
    for (unsigned polls = 0; !done; polls++) {
        EFI_INPUT_KEY key;
        if (counting && polls % POLLS_PER_SECOND == 0) {
            done = polls / POLLS_PER_SECOND == seconds;
            show_countdown(seconds - polls / POLLS_PER_SECOND, chosen);
        }
        if (!EFI_ERROR(uefi_call_wrapper(table->ConIn->ReadKeyStroke, 2, table->ConIn, &key))) {
            counting = false;
            chosen = follow(&key, chosen, &done);
            show(notice, chosen);
        }
        if (!done)
            uefi_call_wrapper(table->BootServices->Stall, 1, POLL_MICROSECONDS);
    }
    uefi_call_wrapper(out->ClearScreen, 1, out);
    return entries[chosen].words;
}
