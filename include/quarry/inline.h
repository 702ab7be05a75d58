/* SPDX-License-Identifier: MIT */
/*
 * Objects of a size that the compiler knows: the size class is computed at compile time.
 *
 * Without optimisation, or with a size that is not constant, these are quarry_alloc() and
 * quarry_free_sized().
 */
#ifndef QUARRY_INLINE_H
#define QUARRY_INLINE_H

#include <stddef.h>

#include <quarry/quarry.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The largest size that has a class. */
#define QUARRY_CLASS_BYTES_MAX 1048576u

/*
 * quarry_alloc() and quarry_free() with a known class. Not for direct use: below level 1 of
 * hardening a wrong class is not noticed here.
 */
void *quarry_alloc_of(size_t bytes, size_t size_class);
void quarry_free_of(void *object, size_t size_class);

/* The class for more than 128 bytes. */
static inline size_t quarry_class_of_larger(size_t bytes)
{
    unsigned doublings = 63u - (unsigned)__builtin_clzll(bytes - 1); /* 2^doublings < bytes */
    unsigned step_bits = bytes <= 32768 ? 4 : 3;
    size_t step = (size_t)1 << (doublings - step_bits);
    size_t steps = (bytes - ((size_t)1 << doublings) + step - 1) / step;
    size_t before = bytes <= 32768 ? 16 + 16 * (size_t)(doublings - 7)
                                   : 16 + 16 * 8 + 8 * (size_t)(doublings - 15);
    return before + steps;
}

/*
 * The class for `bytes`, 1 to QUARRY_CLASS_BYTES_MAX: steps of 8 bytes up to 128, then 16 steps per
 * doubling up to 32 KiB, then 8. The table in mm/objects is the same; a test compares them.
 */
static inline size_t quarry_class_of(size_t bytes)
{
    if (bytes <= 128)
        return bytes > 0 ? (bytes + 7) / 8 : 1;
    return quarry_class_of_larger(bytes);
}

/* quarry_alloc(bytes). */
static inline void *quarry_alloc_inline(size_t bytes)
{
    if (__builtin_constant_p(bytes) && bytes <= QUARRY_CLASS_BYTES_MAX)
        return quarry_alloc_of(bytes, quarry_class_of(bytes));
    return quarry_alloc(bytes);
}

/*
 * quarry_free_sized(object, bytes), except that a constant size is not checked. A size of another
 * class is found from level 1 of hardening on at once, else when the object leaves the CPU's cache.
 * `object` is not NULL.
 */
static inline void quarry_free_inline(void *object, size_t bytes)
{
    if (__builtin_constant_p(bytes) && bytes <= QUARRY_CLASS_BYTES_MAX)
        quarry_free_of(object, quarry_class_of(bytes));
    else
        quarry_free_sized(object, bytes);
}

#ifdef __cplusplus
}
#endif

#endif
