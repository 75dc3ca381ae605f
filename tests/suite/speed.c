/*
 * The speed of a CPU; see speed.h. The quickest of some tries counts, because a host may take the
 * CPU away in the middle of the others.
 * SPDX-License-Identifier: MIT
 */
#include "tests/suite/speed.h"

#include "kernel/base/clockmath.h"
#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/deadline.h"
#include "kernel/base/spinlock.h"

#define TRIES 8
#define STEPS 2000u
/* QEMU's TCG takes 2 ns, beside a load of 50 on 2 CPUs too. */
#define USUAL_NS 5u

static DEFINE_PER_CPU(u64, step_sum);

static u64 steps_take(void)
{
    u64 start = rdtsc();

    for (u32 i = 0; i < STEPS; i++)
        this_cpu_add(step_sum, i);
    return clock_ticks_to_ns(rdtsc() - start, tsc_khz_now());
}

u32 suite_slowness(void)
{
    static struct spinlock lock = SPINLOCK_INIT;
    static u32 slowness;
    u64 flags = spin_lock_irqsave(&lock), best = ~0ULL;

    if (!slowness) {
        for (u32 i = 0; i < TRIES; i++)
            best = MIN(best, steps_take());
        best /= STEPS * USUAL_NS;
        slowness = (u32)MAX(1ULL, MIN(best, SLOWEST));
    }
    spin_unlock_irqrestore(&lock, flags);
    return slowness;
}

u32 suite_rounds(u32 full, u32 least)
{
    return MAX(full / suite_slowness(), MIN(full, least));
}
