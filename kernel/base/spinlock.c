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

bool spin_look_until(struct spin *s, u64 ticks)
{
    u64 now = cpu_ticks();

    /* A step backwards, of a TSC that something wrote, counts as a gap too. */
    if (s->last)
        s->spent += MIN(now - s->last, ticks / SPIN_GAPS);
    s->last = now;
    return s->spent < ticks;
}

void spin_look(struct spin *s, const void *what)
{
    if (!spin_look_until(s, SPIN_TICKS))
        spin_never_ends(what);
}

void spin_lock_taken(struct spinlock *l)
{
    struct spin spin = {0};

    do
        spin_wait(&spin, l);
    while (!spin_trylock(l));
}
