/* SPDX-License-Identifier: MIT */
/*
 * A CPU requests that another one drains its cache (quarry_drain(); mm/objects/cpu_cache.c).
 *
 * The other CPU continues meanwhile. It allocates and frees, with interrupts off during each access
 * to its cache; goes offline and online; and serves a request when it misses its cache or in the
 * interrupt handler. The requesting CPU waits for a bounded time.
 *
 * Claim: when the requesting CPU sees that its request is done, the cache was empty at some moment
 * since the request. So objects freed before the request are in the shared lists.
 *
 * With -DCLEAR_FIRST the request is marked as done before the cache is drained. The model must find
 * this error.
 */
bool online = true;
bool requested = false;
bool interrupt_pending = false;
bool interrupts_on = true;
bool cached = false;            /* the cache is not empty */
bool empty_since_request = false; /* the claim */

#define ROUNDS 3

inline now_empty() { cached = false; empty_since_request = true }

/* drain(), with interrupts off. The other CPU can run between the lines. */
inline drain() {
#ifdef CLEAR_FIRST
    requested = false;
    atomic { now_empty() };
#else
    atomic { now_empty() };
    requested = false;
#endif
}

/* The interrupt handler, if interrupts are on. */
inline take_interrupt() {
    if
    :: interrupt_pending && interrupts_on ->
        interrupt_pending = false;
        interrupts_on = false;
        if :: requested -> drain() :: else -> skip fi;
        interrupts_on = true
    :: else -> skip
    fi
}

active proctype worker() {
    byte round = 0;
    do
    :: round < ROUNDS ->
        take_interrupt();
        if
        :: online -> /* frees an object */
            interrupts_on = false; cached = true; interrupts_on = true
        :: online && requested -> /* misses and serves the request */
            interrupts_on = false; drain(); interrupts_on = true
        :: online -> /* goes offline */
            interrupts_on = false; drain(); online = false; interrupts_on = true
        :: !online -> /* goes online */
            interrupts_on = false; cached = false; online = true; interrupts_on = true
        fi;
        take_interrupt();
        round++
    :: else -> break
    od
}

active proctype requester() {
    byte round = 0;
    byte waited;
    bool done;
    do
    :: round < 2 ->
        if
        :: online ->
            atomic { requested = true; empty_since_request = !cached }
            interrupt_pending = true;
            waited = 0;
            done = false;
            do
            :: waited < 3 && !done ->
                done = !online || !requested;
                waited++
            :: else -> break
            od;
            assert(!done || empty_since_request)
        :: else -> skip
        fi;
        round++
    :: else -> break
    od
}
