/* SPDX-License-Identifier: MIT */
/* The line of options; see options.h. */
#include "boot/options.h"

#include <stddef.h>

#define TIMER_HERTZ 100u

static bool is_end(char c)
{
    return c == 0 || c == ' ';
}

/* Whether the word at `text` begins with `name`; `*value` is what follows. */
static bool word_is(const char *text, const char *name, const char **value)
{
    while (*name != 0)
        if (*text++ != *name++)
            return false;
    *value = text;
    return name[-1] == '=' || is_end(*text);
}

static unsigned number(const char *text)
{
    unsigned value = 0;
    while (*text >= '0' && *text <= '9' && value < 100000000)
        value = value * 10 + (unsigned)(*text++ - '0');
    return value;
}

static void copy_word(char *to, size_t capacity, const char *text)
{
    size_t length = 0;
    while (length + 1 < capacity && !is_end(text[length])) {
        to[length] = text[length];
        length++;
    }
    to[length] = 0;
}

static void parse_word(struct options *options, const char *word)
{
    const char *value;
    if (word_is(word, "tests=", &value))
        copy_word(options->tests, sizeof options->tests, value);
    else if (word_is(word, "fault=", &value))
        copy_word(options->fault, sizeof options->fault, value);
    else if (word_is(word, "stress=", &value))
        options->stress_seconds = number(value);
    else if (word_is(word, "cpus=", &value))
        options->cpus = number(value);
    else if (word_is(word, "notimer", &value))
        options->timer_hertz = 0;
    else if (word_is(word, "timer=", &value))
        options->timer_hertz = number(value);
    else if (word_is(word, "bench", &value))
        options->bench = true;
    else if (word_is(word, "baselines", &value))
        options->baselines = true;
    else if (word_is(word, "heapmap", &value))
        options->heapmap = true;
    else if (word_is(word, "live", &value))
        options->live = true;
    else if (word_is(word, "forever", &value))
        options->forever = true;
    else if (word_is(word, "default=", &value))
        copy_word(options->preselected, sizeof options->preselected, value);
    else if (word_is(word, "menu=", &value)) {
        options->menu = true;
        options->menu_seconds = number(value);
    } else if (word_is(word, "debug", &value))
        options->debug = true;
    else if (word_is(word, "wait", &value))
        options->wait = true;
    else if (options->unknown == NULL)
        options->unknown = word;
}

struct options options_parse(const char *text)
{
    struct options options = {.timer_hertz = TIMER_HERTZ};
    while (*text != 0) {
        if (*text == ' ') {
            text++;
            continue;
        }
        parse_word(&options, text);
        while (!is_end(*text))
            text++;
    }
    return options;
}
