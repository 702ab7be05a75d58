/* SPDX-License-Identifier: MIT */
/*
 * Hardened objects: what levels 1 and 2 do when an object is allocated and when it is freed.
 *
 * A slot of a small span:
 *
 *      object                    asked for                       end of the slot
 *        |  the program's bytes     |  red zone (level 2)  |  canary  |
 *        |  ... or POISON, while the slot is not live ...  |  canary  |
 *
 * The canary is the last 8 bytes of the slot: its address, mixed with a secret. It is written when
 * the span is created and never changes. So any CPU may check it at any time: the canary of the
 * slot itself against writes behind the object's end, and the canary of the slot before against
 * writes before its start. The red zone begins at the first byte that was not asked for.
 *
 * Each slot that is not live is poisoned, from the creation of the span on. If the poison has
 * changed when the slot is allocated again, it was written after the free.
 *
 * Which slots are live is recorded out of band (span.h). So a second free is seen at once, on any
 * CPU, at any later time, and whatever was written over the object.
 *
 * A large object has a canary and a red zone at the end of its last page. It has no poison, because
 * its pages may be used again as soon as it is freed.
 *
 * Level 0 costs nothing: these functions are not called there, or do nothing.
 *
 * Context: any that may allocate. No lock is needed: between allocation and free the object belongs
 * to the program, and the CPU that clears the live bit owns it next.
 */
#ifndef MM_DEBUG_HARDEN_H
#define MM_DEBUG_HARDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/config.h>

struct span;

/* Bytes of the canary behind each object. */
#define HARDEN_TAIL_BYTES (QUARRY_HARDEN ? (size_t)8 : (size_t)0)

#if QUARRY_HARDEN

/* Before the first span is created. */
void harden_init(uint64_t seed);

/* Writes poison and canaries of a new small span, which only the caller knows. */
void harden_span_created(const struct span *span);

/*
 * A small object is allocated for a request of `bytes`: checks that its poison is intact, marks it
 * live, and returns it. An object that is in no small span (large, guarded, NULL) is returned
 * unchanged. `caller`: the instruction behind the program's call.
 */
void *harden_on_alloc(void *object, size_t bytes, const void *caller);
void harden_on_alloc_large(struct span *span, size_t bytes, const void *caller);

/* A small object is freed: checks it and poisons it. Stops with a report if it is no live object or
 * bytes beside it were written. The large one is known to be live. */
void harden_on_free(void *object, const void *caller);
void harden_on_free_large(struct span *span, const void *caller);

/* The live object has `bytes` bytes from now on, in the same slot or span. */
void harden_on_resize(struct span *span, const void *object, size_t bytes);
void harden_on_resize_large(struct span *span, size_t bytes);

/* The bytes that the program may use. Stops with a report if the object is not live or bytes beside
 * it were written. */
size_t harden_usable_bytes(const char *operation, const void *object);
size_t harden_usable_bytes_large(const char *operation, struct span *span);

/* Level 2: objects allocated from now on have the mark that is returned (span.h). */
size_t harden_next_mark(void);

/* Checks canary, red zone or poison of each slot. No other CPU may be inside. */
void harden_verify_span(struct span *span);

#else

static inline void harden_init(uint64_t seed)
{
    (void)seed;
}

static inline void harden_span_created(const struct span *span)
{
    (void)span;
}

static inline void *harden_on_alloc(void *object, size_t bytes, const void *caller)
{
    (void)bytes, (void)caller;
    return object;
}

static inline void harden_on_alloc_large(const struct span *span, size_t bytes, const void *caller)
{
    (void)span, (void)bytes, (void)caller;
}

static inline void harden_on_free(const void *object, const void *caller)
{
    (void)object, (void)caller;
}

static inline void harden_on_free_large(const struct span *span, const void *caller)
{
    (void)span, (void)caller;
}

static inline void harden_on_resize(const struct span *span, const void *object, size_t bytes)
{
    (void)span, (void)object, (void)bytes;
}

static inline void harden_on_resize_large(const struct span *span, size_t bytes)
{
    (void)span, (void)bytes;
}

static inline size_t harden_usable_bytes(const char *operation, const void *object)
{
    (void)operation, (void)object;
    return 0;
}

static inline size_t harden_usable_bytes_large(const char *operation, const struct span *span)
{
    (void)operation, (void)span;
    return 0;
}

static inline void harden_verify_span(const struct span *span)
{
    (void)span;
}

#endif
#endif
