/* SPDX-License-Identifier: MIT */
/*
 * The protocol of reservations (mm/frames/frame_allocator.h), for one tree of frames and two CPUs.
 *
 * A free frame is counted in exactly one place: the tree's entry, a CPU's reservation, or, during a
 * move, a local variable of a CPU (in_hand). Each atomic block is one atomic operation of the code.
 * Children and bits are left out; frames are only counted.
 *
 * Claims, in every reachable state:
 *
 *     no frame is lost or created:  tree + reservations + in_hand + held = FRAMES
 *     no false failure:             an allocation succeeds. FRAMES > CPUS, and each CPU holds at most
 *                                   one frame, so a frame is always free
 *     no deadlock:                  every CPU reaches its end
 *
 * With -DWITHOUT_LOCK the moves are not protected by moves_lock. The model must find the false
 * failure.
 */
#define CPUS 2
#define FRAMES 3
#define ROUNDS 2

byte tree_free = FRAMES;      /* the tree entry's count and flag, */
bool tree_reserved = false;   /* which one compare-and-swap changes */
bool present[CPUS];           /* a reservation's word: it is of this tree, and its count */
byte reserved[CPUS];
byte held[CPUS];              /* allocated */
byte in_hand[CPUS];           /* moving between tree and reservation */
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

/* reservation_take(): from the CPU's own reservation. */
inline take_reserved(me) {
    atomic {
        if
        :: reserved[me] > 0 -> reserved[me]--; held[me]++; got = true
        :: else -> skip
        fi
    }
}

/* alloc_refetched(): frames that others freed into the tree that this CPU has reserved. */
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
        atomic { /* reservation_give(); to the tree if the reservation has ended meanwhile */
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

/* alloc_reserving(): reserves the tree if it is not reserved. There is no old reservation here. */
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

/* search_all_trees(): from the tree's entry, after reserved frames were recalled. */
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

/* give_back(): frees to the CPU's reservation if it is of this tree, else to the tree. */
inline free_frame(me) {
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
        /* FRAMES > CPUS: the other CPUs cannot hold all frames. */
        assert(got);
        free_frame(me);
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
