/* SPDX-License-Identifier: MIT */
/* A run from a USB stick; see session.h. */
#include "boot/session.h"

#include "boot/menu.h"
#include "boot/options.h"
#include "boot/usb.h"
#include "boot/x86_64/machine.h"
#include "lib/format.h"

#define CONFIG_BYTES_MAX 8192u

static const CHAR16 config_path[] = u"\\quarry.cfg";
static const CHAR16 results_path[] = u"\\results.txt";
static const CHAR16 variable_name[] = u"QuarryResults";
static const EFI_GUID variable_owner = {0x6b1f3c52,
                                        0x90d4,
                                        0x4f0e,
                                        {0x9a, 0x57, 0x21, 0x8e, 0xc3, 0x44, 0x7d, 0x10}};

#define VARIABLE_KEPT                                                                              \
    (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)

/* ---- options ---- */

/* Appends a blank and the text. Options that do not fit are an error: see main.c. */
static void add_words(struct handoff *handoff, const char *words)
{
    size_t length = text_length(handoff->options);
    if (length + 1 + text_length(words) >= HANDOFF_OPTIONS_BYTES)
        handoff->options_cut = true;
    format_text(handoff->options + length, HANDOFF_OPTIONS_BYTES - length, " %s", words);
}

/* Joins the file's lines, without comments, which begin with #. */
static void flatten(char *text)
{
    bool comment = false;
    for (; *text != 0; text++) {
        bool line_ends = *text == '\n' || *text == '\r';
        comment = !line_ends && (comment || *text == '#');
        if (comment || line_ends || *text == '\t')
            *text = ' ';
    }
}

/* Replaces each run of blanks by one, so that long comments do not fill the options' buffer. */
static void squeeze(char *text)
{
    char *to = text;
    for (const char *from = text; *from != 0; from++)
        if (*from != ' ' || (to > text && to[-1] != ' '))
            *to++ = *from;
    *to = 0;
}

static bool add_config(struct handoff *handoff)
{
    static char text[CONFIG_BYTES_MAX];
    size_t bytes = usb_read(config_path, text, sizeof text);
    if (bytes == 0)
        return false;
    handoff->options_cut = bytes == sizeof text - 1; /* the file may be longer */
    flatten(text);
    squeeze(text);
    add_words(handoff, text);
    return true;
}

/* Where the words begin: a UEFI shell passes the whole command, with the application's name. */
static const char *skip_application(const char *text)
{
    static const char suffix[] = ".efi";
    const char *at = text;
    size_t matched = 0;
    for (; *at != 0 && *at != ' '; at++) {
        char lower = (char)(*at >= 'A' && *at <= 'Z' ? *at + 'a' - 'A' : *at);
        matched = lower == suffix[matched] ? matched + 1 : lower == '.';
        if (matched == sizeof suffix - 1)
            return at + 1;
    }
    return text;
}

/* Some firmware passes data that is no text: that is ignored. */
static void add_load_options(EFI_BOOT_SERVICES *services, EFI_HANDLE image, struct handoff *handoff)
{
    EFI_GUID protocol = LOADED_IMAGE_PROTOCOL;
    EFI_LOADED_IMAGE *loaded = NULL;
    char words[HANDOFF_OPTIONS_BYTES];
    size_t length = 0;
    uefi_call_wrapper(services->HandleProtocol, 3, image, &protocol, (void **)&loaded);
    if (loaded == NULL || loaded->LoadOptions == NULL)
        return;
    const CHAR16 *text = loaded->LoadOptions;
    while (length + 1 < sizeof words && length < loaded->LoadOptionsSize / 2 &&
           text[length] >= 0x20 && text[length] < 0x7f) {
        words[length] = (char)text[length];
        length++;
    }
    bool is_text = length == loaded->LoadOptionsSize / 2 || text[length] == 0;
    words[is_text ? length : 0] = 0;
    handoff->options_cut |= length + 1 == sizeof words;
    add_words(handoff, skip_application(words));
}

/* QEMU's options come last, so they override the others. */
static void add_qemu_words(struct handoff *handoff)
{
    char words[HANDOFF_OPTIONS_BYTES];
    if (machine_qemu_text("opt/quarry/options", words, sizeof words) > 0)
        add_words(handoff, words);
}

/* ---- results ---- */

/* Moves the last run's results from the variable to the file. Returns a notice for the menu. Sets
 * `*stored` if there were results and the file has them. */
static const CHAR16 *store_last(EFI_RUNTIME_SERVICES *runtime, bool *stored)
{
    static char text[HANDOFF_RESULT_BYTES];
    UINTN bytes = sizeof text;
    UINT32 attributes;
    EFI_GUID owner = variable_owner;
    if (EFI_ERROR(uefi_call_wrapper(runtime->GetVariable, 5, (CHAR16 *)variable_name, &owner,
                                    &attributes, &bytes, text)))
        return u"   Results are written to this USB stick: results.txt.\r\n";
    if (!usb_append(results_path, text, bytes))
        return u"   The last run's results could not be written to this USB stick "
               u"(write-protected?).\r\n"
               u"   The firmware keeps them until the next run replaces them.\r\n";
    uefi_call_wrapper(runtime->SetVariable, 5, (CHAR16 *)variable_name, &owner, VARIABLE_KEPT, 0,
                      NULL);
    *stored = true;
    return u"   The last run's results have been written to this USB stick: results.txt.\r\n";
}

/* Writes the start of a run to the USB stick directly, so that a run that hangs is recorded too. */
static bool write_start(EFI_RUNTIME_SERVICES *runtime, const char *options)
{
    static char text[HANDOFF_OPTIONS_BYTES + 100];
    EFI_TIME now = {0};
    uefi_call_wrapper(runtime->GetTime, 2, &now, NULL);
    size_t length =
        format_text(text, sizeof text, "\r\n== started %u-%02u-%02u %02u:%02u, options:%s\r\n",
                    now.Year, now.Month, now.Day, now.Hour, now.Minute, options);
    return usb_append(results_path, text, length);
}

bool session_keep(EFI_RUNTIME_SERVICES *runtime, const char *text, size_t bytes)
{
    EFI_GUID owner = variable_owner;
    return !EFI_ERROR(uefi_call_wrapper(runtime->SetVariable, 5, (CHAR16 *)variable_name, &owner,
                                        VARIABLE_KEPT, bytes, (void *)text));
}

/* ---- the start ---- */

static const char *ask(EFI_SYSTEM_TABLE *table, const struct options *options)
{
    bool stored = false;
    const CHAR16 *notice = store_last(table->RuntimeServices, &stored);
    /* After a run the user comes for the results, so the menu waits without a countdown. */
    return menu_choose(table, notice, stored ? 0 : options->menu_seconds, options->preselected);
}

bool session_begin(EFI_SYSTEM_TABLE *table, EFI_HANDLE image, struct handoff *handoff)
{
    char *words = handoff->options;
    words[0] = 0;
    bool is_usb_stick = usb_open(table->BootServices, image) && add_config(handoff);
    add_load_options(table->BootServices, image, handoff);
    size_t own = text_length(words);
    add_qemu_words(handoff);
    struct options options = options_parse(words);
    if (is_usb_stick && options.menu_seconds != OPTIONS_NO_MENU) {
        const char *chosen = ask(table, &options);
        if (chosen == NULL)
            return false;
        words[own] = 0;
        add_words(handoff, chosen);
        add_qemu_words(handoff);
    }
    handoff->results = RESULTS_NOWHERE;
    if (is_usb_stick)
        handoff->results =
            write_start(table->RuntimeServices, words) ? RESULTS_KEPT : RESULTS_PROTECTED;
    return true;
}
