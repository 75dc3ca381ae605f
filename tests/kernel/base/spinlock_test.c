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

/* Counting to the end takes half a minute; from one before it, one more look does. */
KTEST(spinlock, a_wait_without_end_is_a_panic)
{
    u32 looks = SPIN_LOOKS - 2;

    spin_wait(&looks, &looks);
    EXPECT_TRUE(SHIM_PANICS(spin_wait(&looks, &looks)));
    EXPECT_TRUE(strstr(shim_panic_text(), "waits without end") != NULL);
    looks = 0;
    spin_wait(&looks, &looks);
    EXPECT_EQ(looks, 1);
}
