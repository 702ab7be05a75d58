/* SPDX-License-Identifier: MIT */
/* Random strings and traces; see fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include "tests/framework/platform.h"

#include "lib/format.h"
#include "lib/random.h"

size_t fuzz_random_string(uint8_t *bytes, size_t most, unsigned seed)
{
    struct random random = random_seeded(seed);
    size_t count = 1 + random_below(&random, most);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)random_next(&random);
    return count;
}

bool fuzz_tracing;

void fuzz_print(const char *format, ...)
{
    char line[200];
    va_list arguments;
    va_start(arguments, format);
    format_text_list(line, sizeof line, format, arguments);
    va_end(arguments);
    platform_print("    ");
    platform_print(line);
    platform_print("\n");
}
