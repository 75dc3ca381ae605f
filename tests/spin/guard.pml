/*
 * Sections and cross-calls of the hosted library (tools/library/host_guard.c): a section of the CPU's own thread and
 * a caller that acts in its name never overlap, and nobody waits for ever. Two callers, one thread.
 *
 * The thread's store to `held` waits in a store buffer, which empties at any time; membarrier(2) is a barrier in
 * every thread, so it empties it. The callers' stores are seen at once: the system call that follows is a barrier of
 * their own. -DNO_BARRIER: without the system call, which has to fail.
 *
 * SPDX-License-Identifier: MIT
 */
#define SECTIONS 3

bool held, buffered, buffer; /* buffered: `buffer` is on its way to held */
bool wanted, lock;
byte inside;                 /* of a section or a call: at most 1 */
byte wants;                  /* callers at work */

inline acquire() { atomic { !lock -> lock = true } }
inline enter() { inside++; assert(inside == 1); inside-- }

/* A section that needs no locked instruction, or waits for the lock when a caller is there. */
proctype thread()
{
    byte n;

    for (n : 1 .. SECTIONS) {
        atomic { !buffered -> buffer = true; buffered = true }
        if
        :: wanted ->
            atomic { !buffered -> buffer = false; buffered = true }
            acquire();
            enter();
            lock = false
        :: else ->
            inside++;
            assert(inside == 1);
            inside--;
            atomic { !buffered -> buffer = false; buffered = true }
        fi
    }
}

/* The processor's store buffer, one store deep. */
active proctype store_buffer()
{
end:
    do
    :: atomic { buffered -> held = buffer; buffered = false }
    od
}

proctype caller()
{
    acquire();
    wanted = true;
#ifndef NO_BARRIER
    !buffered; /* membarrier(2) */
#endif
    !held;
    enter();
    wanted = false;
    lock = false
}

init { atomic { run thread(); run caller(); run caller() } }
