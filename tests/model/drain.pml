/* SPDX-License-Identifier: MIT */
/*
 * A CPU asks another one to drain its cache (mm/api/init.c: quarry_drain(); cpu_cache.c).
 *
 * The one that is asked goes on: it allocates and frees, with interrupts off for each step that
 * touches its cache; goes offline and comes again; and answers a request when it misses its cache or
 * in the interrupt's handler. The asker waits for a bounded time.
 *
 * Claim: where the asker believes that it was answered, the cache was empty at some moment since it
 * asked. (So what was freed before is where the asker can find it.)
 *
 * With -DCLEAR_FIRST the request is marked as answered before the cache is emptied: the model must
 * find that this is wrong.
 */
bool online = true;
bool asked = false;
bool interrupt_pending = false;
bool interrupts_on = true;
bool cached = false;            /* there is something in the cache */
bool empty_since_asked = false; /* what the claim is about */

#define ROUNDS 3

inline now_empty() { cached = false; empty_since_asked = true }

/* drain(), with interrupts off. Each line is one step that the asker may come between. */
inline drain() {
#ifdef CLEAR_FIRST
    asked = false;
    atomic { now_empty() };
#else
    atomic { now_empty() };
    asked = false;
#endif
}

/* The handler, wherever interrupts are on. */
inline take_interrupt() {
    if
    :: interrupt_pending && interrupts_on ->
        interrupt_pending = false;
        interrupts_on = false;
        if :: asked -> drain() :: else -> skip fi;
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
        :: online && asked -> /* misses, and sees the request */
            interrupts_on = false; drain(); interrupts_on = true
        :: online -> /* goes */
            interrupts_on = false; drain(); online = false; interrupts_on = true
        :: !online -> /* comes */
            interrupts_on = false; cached = false; online = true; interrupts_on = true
        fi;
        take_interrupt();
        round++
    :: else -> break
    od
}

active proctype asker() {
    byte round = 0;
    byte waited;
    bool answered;
    do
    :: round < 2 ->
        if
        :: online ->
            atomic { asked = true; empty_since_asked = !cached }
            interrupt_pending = true;
            waited = 0;
            answered = false;
            do
            :: waited < 3 && !answered ->
                answered = !online || !asked;
                waited++
            :: else -> break
            od;
            assert(!answered || empty_since_asked)
        :: else -> skip
        fi;
        round++
    :: else -> break
    od
}
