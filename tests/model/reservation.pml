/* SPDX-License-Identifier: MIT */
/*
 * One tree of frames, two CPUs: the protocol of reservations (mm/frames/frame_allocator.h).
 *
 * A free frame is counted in exactly one place: the tree's entry, a CPU's reservation, or a CPU's
 * hand while it moves. Each step below is one atomic operation of the code. Children and bits are
 * left out: here a number is a frame.
 *
 * Claims, in every state that can be reached:
 *
 *     no frame is lost or made:  tree + reservations + in hand + held = FRAMES
 *     no false refusal:          a CPU is refused only where no frame was free to be found, that is,
 *                                where fewer frames than CPUs could be free at all
 *     no deadlock:               every CPU comes to its end
 *
 * With -DWITHOUT_LOCK moves are not under moves_lock: the model must then find the false refusal that
 * the code once had.
 */
#define CPUS 2
#define FRAMES 3
#define ROUNDS 2

byte tree_free = FRAMES;      /* the entry's count ... */
bool tree_reserved = false;   /* ... and its flag: one compare-and-swap changes both */
bool present[CPUS];           /* a reservation's word: of this tree, with so many frames */
byte reserved[CPUS];
byte held[CPUS];              /* handed out */
byte in_hand[CPUS];           /* on the way between tree and reservation */
bool moves_lock = false;

inline lock() {
#ifndef WITHOUT_LOCK
    atomic { !moves_lock -> moves_lock = true }
#else
    skip
#endif
}

inline unlock() {
#ifndef WITHOUT_LOCK
    moves_lock = false
#else
    skip
#endif
}

/* reservation_take(): off the CPU's own reservation. */
inline take_reserved(me) {
    atomic {
        if
        :: reserved[me] > 0 -> reserved[me]--; held[me]++; got = true
        :: else -> skip
        fi
    }
}

/* alloc_refetched(): what others gave back to the tree that this CPU has reserved. */
inline refetch(me) {
    lock();
    atomic {
        if
        :: present[me] && tree_reserved && tree_free > 0 ->
            in_hand[me] = tree_free; tree_free = 0
        :: else -> skip
        fi
    }
    if
    :: in_hand[me] > 0 ->
        atomic { /* reservation_give(), or the tree, if the reservation is gone meanwhile */
            if
            :: present[me] -> reserved[me] = reserved[me] + in_hand[me]
            :: else -> tree_free = tree_free + in_hand[me]
            fi;
            in_hand[me] = 0
        }
    :: else -> skip
    fi;
    unlock()
}

/* alloc_reserving(): the tree, if nobody has it. Its old reservation is none in this model. */
inline reserve(me) {
    lock();
    atomic {
        if
        :: !tree_reserved && tree_free > 0 ->
            in_hand[me] = tree_free; tree_free = 0; tree_reserved = true
        :: else -> skip
        fi
    }
    if
    :: in_hand[me] > 0 ->
        atomic { present[me] = true; reserved[me] = in_hand[me]; in_hand[me] = 0 }
    :: else -> skip
    fi;
    unlock()
}

/* search_all_trees(): some of the entry, after what CPUs have reserved was recalled. */
inline take_anywhere(me) {
    lock();
    other = 0;
    do
    :: other < CPUS && !got ->
        atomic { /* tree_recall(): a reservation's frames, by one compare-and-swap */
            if
            :: present[other] && reserved[other] > 0 ->
                in_hand[me] = reserved[other]; reserved[other] = 0
            :: else -> skip
            fi
        }
        atomic { tree_free = tree_free + in_hand[me]; in_hand[me] = 0 }
        atomic {
            if
            :: tree_free > 0 -> tree_free--; held[me]++; got = true
            :: else -> skip
            fi
        }
        other++
    :: else -> break
    od;
    unlock()
}

/* give_back(): to the CPU's reservation if it is of this tree, else to the tree. */
inline give(me) {
    atomic {
        held[me]--;
        if
        :: present[me] -> reserved[me]++
        :: else -> tree_free++
        fi
    }
}

/* frame_allocator_drain(): all reservations end. */
inline drain(me) {
    lock();
    other = 0;
    do
    :: other < CPUS ->
        atomic { in_hand[me] = reserved[other]; emptied = present[other];
                 reserved[other] = 0; present[other] = false }
        if
        :: emptied -> atomic { tree_free = tree_free + in_hand[me]; in_hand[me] = 0;
                               tree_reserved = false }
        :: else -> skip
        fi;
        other++
    :: else -> break
    od;
    unlock()
}

proctype cpu(byte me) {
    byte round = 0;
    byte other;
    bool got;
    bool emptied;
    do
    :: round < ROUNDS ->
        got = false;
        take_reserved(me);
        if :: !got -> refetch(me); take_reserved(me) :: else -> skip fi;
        if :: !got -> reserve(me); take_reserved(me) :: else -> skip fi;
        if :: !got -> take_anywhere(me) :: else -> skip fi;
        /* FRAMES > CPUS: the others cannot hold them all. */
        assert(got);
        give(me);
        if
        :: drain(me)
        :: skip
        fi;
        round++
    :: else -> break
    od
}

#define SUM (tree_free + reserved[0] + reserved[1] + in_hand[0] + in_hand[1] + held[0] + held[1])

active proctype watcher() {
end:
    do
    :: atomic { SUM != FRAMES -> assert(false) }
    od
}

init {
    atomic { run cpu(0); run cpu(1) }
}
