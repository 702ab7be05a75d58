/* SPDX-License-Identifier: MIT */
/* The libFuzzer program (make fuzz T=object|frame|map). The build defines the target's name. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/framework/test.h"
#include "tests/fuzz/fuzz.h"

#ifndef FUZZ_TARGET
#define FUZZ_TARGET "object"
#endif

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static fuzz_target *target;
    if (target == NULL)
        target = fuzz_find(FUZZ_TARGET);
    if (target == NULL) {
        fprintf(stderr, "no fuzz target is named %s\n", FUZZ_TARGET);
        exit(2);
    }
    target(bytes, count);
    if (test_failures() > 0)
        abort();
    return 0;
}
