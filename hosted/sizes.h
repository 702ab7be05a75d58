/* SPDX-License-Identifier: MIT */
/* What malloc() makes of a size: programs expect 16-byte alignment, Quarry's steps are 8 bytes. */
#ifndef HOSTED_SIZES_H
#define HOSTED_SIZES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/bits.h"
#include "mm/objects/size_class.h"

#define HOSTED_ALIGNMENT 16u /* of objects larger than a word, like max_align_t */

static inline size_t hosted_rounded(size_t bytes)
{
    if (bytes == 0)
        return 1; /* at level 2 a program may use what it asked for, and this is something */
    return bytes <= 8 || bytes > SIZE_MAX - HOSTED_ALIGNMENT ? bytes
                                                             : round_up(bytes, HOSTED_ALIGNMENT);
}

/* The cache id for each size, in steps of 8 bytes. All 0, the sentinel, until hosted_sizes_init().
 */
extern uint8_t hosted_cache_ids[SIZE_CLASS_LOOKUP_BYTES_MAX / 8 + 1];

void hosted_sizes_init(void);

#endif
