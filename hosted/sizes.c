/* SPDX-License-Identifier: MIT */
/* The sizes and cache ids of malloc(); see sizes.h. */
#include "hosted/sizes.h"

uint8_t hosted_cache_ids[SIZE_CLASS_LOOKUP_BYTES_MAX / 8 + 1];

void hosted_sizes_init(void)
{
    for (size_t bytes = 0; bytes <= SIZE_CLASS_LOOKUP_BYTES_MAX; bytes += 8)
        hosted_cache_ids[bytes / 8] = (uint8_t)size_class_for(hosted_rounded(bytes));
}
