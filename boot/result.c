/* SPDX-License-Identifier: MIT */
/*
 * The text of a run; see result.h. The first half of the buffer keeps the first lines. The second
 * half is a ring that keeps the last lines.
 */
#include "boot/result.h"

#include <stdbool.h>

#include "boot/handoff.h"

#define HALF_BYTES (HANDOFF_RESULT_BYTES / 2 - 8)

static char first[HALF_BYTES];
static char last[HALF_BYTES];
static size_t noted; /* bytes in total */

static void note(char byte)
{
    if (noted < HALF_BYTES)
        first[noted] = byte;
    else
        last[noted % HALF_BYTES] = byte;
    noted++;
}

static bool is_passed_test(const char *line)
{
    return line[0] == 'o' && line[1] == 'k' && line[2] == ' ';
}

void result_note(const char *text)
{
    static bool within_line, left_out;
    for (; *text != 0; text++) {
        if (!within_line)
            left_out = is_passed_test(text);
        within_line = *text != '\n';
        if (!left_out && !within_line)
            note('\r');
        if (!left_out)
            note(*text);
    }
}

size_t result_text(const char **text)
{
    static char all[HANDOFF_RESULT_BYTES];
    static const char gap[] = "\r\n...\r\n";
    size_t length = 0;
    for (size_t i = 0; i < noted && i < HALF_BYTES; i++)
        all[length++] = first[i];
    bool has_gap = noted > 2 * HALF_BYTES;
    for (size_t i = 0; has_gap && gap[i] != 0; i++)
        all[length++] = gap[i];
    for (size_t i = has_gap ? noted - HALF_BYTES : HALF_BYTES; i < noted; i++)
        all[length++] = last[i % HALF_BYTES];
    *text = all;
    return length;
}
