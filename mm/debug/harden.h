/* SPDX-License-Identifier: MIT */
/*
 * Hardened objects: what levels 1 and 2 do when an object is handed out and when it comes back.
 *
 * A slot of a small span looks like this:
 *
 *      object                    asked for                       end of the slot
 *        |  the program's bytes     |  red zone (level 2)  |  canary  |
 *        |  ... or POISON, while the slot is not live ...  |  canary  |
 *
 * The canary are the slot's last 8 bytes: its address, mixed with a secret. It is written when the
 * span is made and never changes, whatever happens to the slot, so any CPU may look at it at any
 * time: the slot's own, against writes behind the object's end, and that of the slot before,
 * against writes before its start. The red zone begins at the very byte that was not asked for.
 *
 * Every slot that is not live is poisoned, from the making of the span on: bytes that have changed
 * when it is handed out again were written after the free (or by somebody else altogether).
 *
 * Who is live is known out of band (span.h), so a second free is seen at once, on any CPU, however
 * late, and whatever was written over the object in between.
 *
 * A large object has a canary and a red zone at the end of its last page. It has no poison: its
 * pages go to others as soon as it is freed.
 *
 * All this costs nothing at level 0: there, these functions are not called, or do nothing.
 *
 * Context: any that may allocate. No lock is needed: between hand-out and return the object belongs
 * to the program, and whoever clears the live bit owns it next.
 */
#ifndef MM_GUARD_HARDEN_H
#define MM_GUARD_HARDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quarry/config.h>

struct span;

/* Bytes that each object has behind it for the canary. */
#define HARDEN_TAIL_BYTES (QUARRY_HARDEN ? (size_t)8 : (size_t)0)

#if QUARRY_HARDEN

/* Before the first span. */
void harden_init(uint64_t seed);

/* A new small span: poison and canaries. Nobody knows of it yet. */
void harden_span_created(const struct span *span);

/*
 * An object of a small class goes to the program, which asked for `bytes`: checks that nobody wrote
 * to it, marks it live, and returns it. One that is in no small span (large, guarded, NULL) is
 * returned as it is. `caller`: see span.h, allocated_by.
 */
void *harden_hand_out(void *object, size_t bytes, const void *caller);

/* The same for a large object that was just made. */
void harden_hand_out_large(struct span *span, size_t bytes, const void *caller);

/* The program is done with a small object: checks it, and poisons it. Stops, with a report on
 * `operation`, where it is no live object or was written beside. */
void harden_take_back(const char *operation, void *object, const void *caller);
void harden_take_back_large(const char *operation, struct span *span, const void *caller);

/* The object stays with the program and has `bytes` bytes from now on; its class is the same. */
void harden_resize(void *object, size_t bytes);

/* Stops unless the object is live and nobody wrote beside it; returns the bytes that may be used.
 */
size_t harden_usable_bytes(const char *operation, const void *object);

/* Level 2: objects handed out from now on have the mark that is returned (span.h). */
size_t harden_next_mark(void);

/* Every slot's canary, red zone or poison. At rest only, or with the span's lock held: objects that
 * programs have are looked at as well. */
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

static inline void *harden_hand_out(void *object, size_t bytes, const void *caller)
{
    (void)bytes, (void)caller;
    return object;
}

static inline void harden_hand_out_large(const struct span *span, size_t bytes, const void *caller)
{
    (void)span, (void)bytes, (void)caller;
}

static inline void harden_take_back(const char *operation, const void *object, const void *caller)
{
    (void)operation, (void)object, (void)caller;
}

static inline void harden_take_back_large(const char *operation, const struct span *span,
                                          const void *caller)
{
    (void)operation, (void)span, (void)caller;
}

static inline void harden_resize(const void *object, size_t bytes)
{
    (void)object, (void)bytes;
}

static inline size_t harden_usable_bytes(const char *operation, const void *object)
{
    (void)operation, (void)object;
    return 0;
}

static inline void harden_verify_span(const struct span *span)
{
    (void)span;
}

#endif
#endif
