/* SPDX-License-Identifier: MIT */
/*
 * Stores that other CPUs do not see yet, as on x86-64 (total store order).
 *
 * An atomic store may be held. Then it and all later atomic stores of the CPU stay in order in its
 * buffer. They reach memory together, at the latest at the CPU's next read-modify-write, when it
 * waits, and when it ends. Until then its own loads see them, and other CPUs do not. A buffer that
 * is emptied in part is not modelled.
 *
 * Plain stores are not held. Where they are ordered (races.c), no CPU can see a difference.
 *
 * If the CPU loads nothing shared while it holds a store, the execution is the same as one in which
 * another CPU runs before the store; then it is cut short.
 */
#include <string.h>

#include "tests/explore/execution.h"

#define STORES_MAX 32u

struct held_store {
    volatile void *word;
    uint64_t value;
    unsigned bytes;
    bool releases;
    struct vector_clock released;
};

struct store_buffer {
    struct held_store stores[STORES_MAX];
    unsigned count;
    bool loaded; /* a shared word, since the first store was held */
};

static struct store_buffer buffers[EXPLORE_CPUS_MAX];

void store_buffers_begin(void)
{
    for (unsigned cpu = 0; cpu < EXPLORE_CPUS_MAX; cpu++)
        buffers[cpu].count = 0;
}

static struct store_buffer *own(void)
{
    return &buffers[execution.running];
}

bool store_buffer_is_empty(void)
{
    return own()->count == 0;
}

void store_buffer_note_load(void)
{
    own()->loaded = true;
}

static void write(const struct held_store *store)
{
    if (store->releases)
        races_release(store->word, &store->released);
    else
        races_store_relaxed(store->word);
    memcpy((void *)(uintptr_t)store->word, &store->value, store->bytes);
}

void store_buffer_drain(void)
{
    struct store_buffer *buffer = own();
    if (buffer->count == 0)
        return;
    if (!buffer->loaded && execution.mode == MODE_EXHAUSTIVE) {
        execution.pruned = true;
        execution_leave();
    }
    for (unsigned i = 0; i < buffer->count; i++)
        write(&buffer->stores[i]);
    buffer->count = 0;
    execution_wake_others();
}

void store_buffer_hold(volatile void *word, uint64_t value, unsigned bytes, bool releases)
{
    if (own()->count == STORES_MAX)
        store_buffer_drain();
    struct store_buffer *buffer = own();
    if (buffer->count == 0)
        buffer->loaded = false;
    struct held_store *store = &buffer->stores[buffer->count++];
    *store = (struct held_store){.word = word, .value = value, .bytes = bytes};
    store->releases = releases;
    if (releases)
        store->released = races_released();
}

bool store_buffer_read(const volatile void *word, uint64_t *value)
{
    const struct store_buffer *buffer = own();
    for (unsigned i = buffer->count; i-- > 0;) {
        if (buffer->stores[i].word == word) {
            *value = buffer->stores[i].value;
            return true;
        }
    }
    return false;
}

void store_buffer_drain_if_held(uintptr_t at, size_t bytes)
{
    const struct store_buffer *buffer = own();
    for (unsigned i = 0; i < buffer->count; i++) {
        uintptr_t word = (uintptr_t)buffer->stores[i].word;
        if (word < at + bytes && at < word + buffer->stores[i].bytes) {
            store_buffer_drain();
            return;
        }
    }
}
