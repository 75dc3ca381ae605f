/*
 * The end of a wait without end: in a file of its own, so that spinlock.h does not need the log.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/spinlock.h"

#include "kernel/base/print.h"

void spin_never_ends(const void *what)
{
    panic("CPU %u waits without end for what is at %p", cpu_number(), what);
}

void spin_look(struct spin *s, const void *what)
{
    u64 now = cpu_ticks();

    /* A step backwards, of a TSC that something wrote, counts as a gap too. */
    if (s->last)
        s->spent += MIN(now - s->last, SPIN_GAP);
    s->last = now;
    if (s->spent >= SPIN_TICKS)
        spin_never_ends(what);
}
