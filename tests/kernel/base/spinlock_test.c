/*
 * Waiting for a lock: it excludes, and a wait that never ends is a panic, not a hang.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "kernel/base/ktest.h"
#include "kernel/base/spinlock.h"
#include "tests/host/shim.h"

KTEST(spinlock, excludes)
{
    struct spinlock l = SPINLOCK_INIT;

    spin_lock(&l);
    EXPECT_FALSE(spin_trylock(&l));
    spin_unlock(&l);
    EXPECT_TRUE(spin_trylock(&l));
    spin_unlock(&l);
}

/* Its time is over at the next look at the clock. */
KTEST(spinlock, a_wait_without_end_is_a_panic)
{
    struct spin spin = {.looks = SPIN_LOOKS - 2, .last = 1, .spent = SPIN_TICKS - SPIN_GAP};

    spin_wait(&spin, &spin);
    EXPECT_TRUE(SHIM_PANICS(spin_wait(&spin, &spin)));
    EXPECT_TRUE(strstr(shim_panic_text(), "waits without end") != NULL);
}

/* A PAUSE may be short: many turns in a short time are no reason to give up. */
KTEST(spinlock, turns_do_not_count)
{
    struct spin spin = {.looks = ~0u - 10000};

    for (u32 i = 0; i < 20000; i++)
        spin_wait(&spin, &spin);
    EXPECT_TRUE(spin.spent < SPIN_TICKS);
}

/* The same for a wait that may end: neither turns nor a single gap end it, its time does. */
KTEST(spinlock, a_bounded_wait_ends_by_time)
{
    const u64 ticks = 20000000; /* 20 ms here */
    struct spin spin = {0}, stopped = {.looks = SPIN_LOOKS - 1, .last = 1};
    u64 start = cpu_ticks();

    while (spin_until(&spin, ticks))
        ;
    EXPECT_GE(cpu_ticks() - start, ticks);
    EXPECT_TRUE(spin_until(&stopped, ticks));
    EXPECT_EQ(stopped.spent, ticks / SPIN_GAPS);
}

/* A host that stops a machine for an hour: only a part of it counts. */
KTEST(spinlock, a_gap_is_no_wait)
{
    struct spin spin = {.last = 1};

    spin_look(&spin, &spin);
    EXPECT_TRUE(spin.spent <= SPIN_GAP);
    EXPECT_TRUE(spin.last > 1);
}
