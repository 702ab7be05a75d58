/* SPDX-License-Identifier: MIT */
/*
 * The line of options; see options.h. One table says for each option its name, its kind of value,
 * the field that it sets, and what is allowed.
 */
#include "boot/options.h"

#include "lib/bits.h"
#include "lib/format.h"

#define TIMER_HERTZ 100u
#define SECONDS_MAX 100000000u
#define HERTZ_MAX 100000000u
#define CPUS_MAX 100000u
#define WORD_BYTES_MAX 64u /* a longer word is compared and printed up to here */

enum kind {
    FLAG,   /* sets a bool */
    ZERO,   /* sets a number to 0 */
    NUMBER, /* from least to most */
    TEXT,   /* a text that is not empty */
    NAME,   /* one of a list of names */
};

struct option {
    const char *name;
    const char *value; /* what the list prints after '=' */
    enum kind kind;
    size_t offset;
    unsigned least, most; /* TEXT and NAME: most is the capacity in bytes */
    const char *names;    /* separated by blanks */
};

#define FIELD(name) offsetof(struct options, name)
#define CAPACITY(name) sizeof(((struct options *)0)->name)

static const struct option all[] = {
    {"tests", "TEXT", TEXT, FIELD(tests), 0, CAPACITY(tests), ""},
    {"stress", "SECONDS", NUMBER, FIELD(stress_seconds), 1, SECONDS_MAX, ""},
    {"cpus", "N", NUMBER, FIELD(cpus), 1, CPUS_MAX, ""},
    {"notimer", "", ZERO, FIELD(timer_hertz), 0, 0, ""},
    {"timer", "HERTZ", NUMBER, FIELD(timer_hertz), 1, HERTZ_MAX, ""},
    {"bench", "", FLAG, FIELD(bench), 0, 0, ""},
    {"baselines", "", FLAG, FIELD(baselines), 0, 0, ""},
    {"heapmap", "", FLAG, FIELD(heapmap), 0, 0, ""},
    {"live", "", FLAG, FIELD(live), 0, 0, ""},
    {"forever", "", FLAG, FIELD(forever), 0, 0, ""},
    {"menu", "SECONDS", NUMBER, FIELD(menu_seconds), 0, SECONDS_MAX, ""},
    {"default", "NAME", NAME, FIELD(preselected), 0, CAPACITY(preselected),
     "quick full stress benchmark failsafe off"},
    {"debug", "", FLAG, FIELD(debug), 0, 0, ""},
    {"wait", "", FLAG, FIELD(wait), 0, 0, ""},
    {"fault", "NAME", NAME, FIELD(fault), 0, CAPACITY(fault), "page stop hang cpu"},
};

#define OPTIONS (sizeof all / sizeof all[0])

/* ---- words ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t word_length(const char *text)
{
    size_t length = 0;
    while (text[length] != 0 && !is_blank(text[length]))
        length++;
    return length;
}

/* Splits "name=value" at the first '='; returns the length of the name. `*value` is NULL without
 * one. */
static size_t split(const char *word, size_t length, const char **value)
{
    for (size_t i = 0; i < length; i++) {
        if (word[i] != '=')
            continue;
        *value = word + i + 1;
        return i;
    }
    *value = NULL;
    return length;
}

static bool equals(const char *text, size_t length, const char *name, size_t name_length)
{
    if (length != name_length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] != name[i])
            return false;
    return true;
}

static bool is_in_list(const char *text, size_t length, const char *names)
{
    while (*names != 0) {
        size_t name_length = word_length(names);
        if (equals(text, length, names, name_length))
            return true;
        names += name_length;
        names += *names != 0;
    }
    return false;
}

/* ---- what is wrong ---- */

/* The Levenshtein distance: how many characters are inserted, removed or replaced. */
static unsigned distance(const char *text, size_t length, const char *name)
{
    unsigned row[WORD_BYTES_MAX + 1];
    size_t columns = text_length(name);
    length = min_u64(length, WORD_BYTES_MAX);
    for (size_t i = 0; i <= columns; i++)
        row[i] = (unsigned)i;
    for (size_t y = 1; y <= length; y++) {
        unsigned above_left = row[0];
        row[0] = (unsigned)y;
        for (size_t x = 1; x <= columns; x++) {
            unsigned replaced = above_left + (text[y - 1] != name[x - 1]);
            above_left = row[x];
            row[x] = (unsigned)min_u64(replaced, min_u64(row[x], row[x - 1]) + 1);
        }
    }
    return row[columns];
}

/* The option with the most similar name; NULL if none is similar. */
static const struct option *most_similar(const char *name, size_t length)
{
    const struct option *best = NULL;
    unsigned least = length <= 3 ? 2 : 3; /* one wrong character in a short name, else two */
    for (size_t i = 0; i < OPTIONS; i++) {
        unsigned edits = distance(name, length, all[i].name);
        if (edits < least) {
            least = edits;
            best = &all[i];
        }
    }
    return best;
}

static const char *equals_sign(const struct option *option)
{
    return option->value[0] != 0 ? "=" : "";
}

/* `to` has room for the bytes and a final 0. */
static void copy_text(char *to, const char *from, size_t length)
{
    for (size_t i = 0; i < length; i++)
        to[i] = from[i];
    to[length] = 0;
}

static void say_unknown(struct options *options, const char *word, size_t length, size_t name)
{
    char shown[WORD_BYTES_MAX + 1];
    const struct option *similar = most_similar(word, name);
    copy_text(shown, word, min_u64(length, WORD_BYTES_MAX));
    if (similar != NULL)
        format_text(options->error, sizeof options->error,
                    "%s is not an option; did you mean %s%s%s?", shown, similar->name,
                    equals_sign(similar), similar->value);
    else
        format_text(options->error, sizeof options->error, "%s is not an option", shown);
}

static void say_wrong(struct options *options, const struct option *option, const char *word,
                      size_t length)
{
    char shown[WORD_BYTES_MAX + 1];
    copy_text(shown, word, min_u64(length, WORD_BYTES_MAX));
    size_t start = format_text(options->error, sizeof options->error, "%s is wrong: ", shown);
    char *error = options->error + start;
    size_t capacity = sizeof options->error - start;
    if (option->kind == NUMBER)
        format_text(error, capacity, "%s is a number from %u to %u", option->value, option->least,
                    option->most);
    else if (option->kind == NAME)
        format_text(error, capacity, "%s is one of: %s", option->value, option->names);
    else if (option->kind == TEXT)
        format_text(error, capacity, "%s has 1 to %u characters", option->value, option->most - 1);
    else
        format_text(error, capacity, "%s has no value", option->name);
}

/* ---- values ---- */

static bool set_number(unsigned *field, const struct option *option, const char *value,
                       size_t length)
{
    unsigned long number = 0;
    for (size_t i = 0; i < length; i++) {
        if (value[i] < '0' || value[i] > '9' || number > option->most)
            return false;
        number = number * 10 + (unsigned long)(value[i] - '0');
    }
    if (length == 0 || number < option->least || number > option->most)
        return false;
    *field = (unsigned)number;
    return true;
}

static bool set_text(char *field, const struct option *option, const char *value, size_t length)
{
    bool fits = length > 0 && length < option->most;
    if (!fits || (option->kind == NAME && !is_in_list(value, length, option->names)))
        return false;
    copy_text(field, value, length);
    return true;
}

/* `value` is NULL for a word without '='. False: the value is wrong. */
static bool set_option(struct options *options, const struct option *option, const char *value,
                       size_t length)
{
    void *field = (char *)options + option->offset;
    bool has_value = option->kind != FLAG && option->kind != ZERO;
    if (has_value != (value != NULL))
        return false;
    if (option->kind == FLAG)
        *(bool *)field = true;
    else if (option->kind == ZERO)
        *(unsigned *)field = 0;
    else if (option->kind == NUMBER)
        return set_number(field, option, value, length);
    else
        return set_text(field, option, value, length);
    return true;
}

/* After an error the other words still count: the menu appears, and results are stored. */
static void parse_word(struct options *options, const char *word, size_t length)
{
    const char *value;
    bool first_error = options->error[0] == 0;
    size_t name = split(word, length, &value);
    for (size_t i = 0; i < OPTIONS; i++) {
        if (!equals(word, name, all[i].name, text_length(all[i].name)))
            continue;
        size_t value_length = value != NULL ? (size_t)(word + length - value) : 0;
        if (!set_option(options, &all[i], value, value_length) && first_error)
            say_wrong(options, &all[i], word, length);
        return;
    }
    if (first_error)
        say_unknown(options, word, length, name);
}

struct options options_parse(const char *text)
{
    struct options options = {.timer_hertz = TIMER_HERTZ, .menu_seconds = OPTIONS_NO_MENU};
    while (*text != 0) {
        size_t length = word_length(text);
        if (length > 0)
            parse_word(&options, text, length);
        text += length + (length == 0);
    }
    return options;
}

void options_list(char *text, size_t capacity_bytes)
{
    size_t length = 0;
    text[0] = 0;
    for (size_t i = 0; i < OPTIONS; i++)
        length += format_text(text + length, capacity_bytes - length, "%s%s%s%s", i > 0 ? " " : "",
                              all[i].name, equals_sign(&all[i]), all[i].value);
}
