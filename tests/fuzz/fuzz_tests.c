/* SPDX-License-Identifier: MIT */
/* The fuzz targets on random strings: a short version of the fuzzing by libFuzzer. */
#include "tests/framework/test.h"
#include "tests/fuzz/fuzz.h"

#define STRING_BYTES 4096u

static void feed(void (*target)(const uint8_t *bytes, size_t count), unsigned strings)
{
    static uint8_t bytes[STRING_BYTES];
    for (unsigned seed = 0; seed < strings; seed++)
        target(bytes, fuzz_random_string(bytes, sizeof bytes, seed));
}

TEST(fuzz_object_against_model)
{
    feed(fuzz_object, 20);
}

TEST(fuzz_frame_against_model)
{
    feed(fuzz_frame, 60);
}

TEST(fuzz_map_against_model)
{
    feed(fuzz_map, 400);
}
