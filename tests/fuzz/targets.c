/* SPDX-License-Identifier: MIT */
/* The fuzz targets by name; see fuzz.h. */
#include "lib/format.h"
#include "tests/fuzz/fuzz.h"

static const struct {
    const char *name;
    fuzz_target *target;
} targets[] = {{"object", fuzz_object}, {"frame", fuzz_frame}, {"map", fuzz_map}};

fuzz_target *fuzz_find(const char *name)
{
    for (unsigned i = 0; i < sizeof targets / sizeof targets[0]; i++)
        if (text_equals(targets[i].name, name))
            return targets[i].target;
    return NULL;
}
