/*
 * Deadlines by the TSC.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/deadline.h"
#include "kernel/base/clockmath.h"
#include "kernel/base/cpu.h"

#define ASSUMED_KHZ 10000000 /* 10 GHz */

static u64 tsc_khz = ASSUMED_KHZ;

extern u64 first_tsc; /* boot/entry64.asm */

u64 tsc_khz_now(void)
{
    return __atomic_load_n(&tsc_khz, __ATOMIC_RELAXED);
}

void tsc_khz_set(u64 khz)
{
    __atomic_store_n(&tsc_khz, khz, __ATOMIC_RELAXED);
}

u64 ticks_to_us(u64 ticks)
{
    return clock_ticks_to_us(ticks, tsc_khz_now());
}

u64 uptime_us(void)
{
    return ticks_to_us(rdtsc() - first_tsc);
}

struct deadline deadline_start(u64 us)
{
    u64 longer = us * (cpu_has_hypervisor() ? HYPERVISOR_FACTOR : 1);

    return (struct deadline){rdtsc() + clock_us_to_ticks(longer, tsc_khz_now())};
}

bool deadline_passed(const struct deadline *d)
{
    return (s64)(rdtsc() - d->end) >= 0;
}

/* Without PAUSE: under QEMU's -icount each PAUSE runs every other virtual CPU for a turn. */
void udelay(u64 us)
{
    u64 start = rdtsc(), ticks = clock_us_to_ticks(us, tsc_khz_now());

    while (rdtsc() - start < ticks)
        ;
}
