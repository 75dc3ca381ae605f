/*
 * Deadlines by the TSC.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/deadline.h"
#include "kernel/base/clockmath.h"
#include "kernel/base/cpu.h"

#define ASSUMED_KHZ 10000000 /* 10 GHz */

/*
 * No turn of a waiting loop takes a millisecond, and few hosts give a virtual CPU shorter slices.
 * In ticks that is one kHz.
 */
static u64 tsc_khz = ASSUMED_KHZ;
static struct patience_host host = {.gap = ASSUMED_KHZ};

extern u64 first_tsc; /* boot/entry64.asm */

u64 tsc_khz_now(void)
{
    return __atomic_load_n(&tsc_khz, __ATOMIC_RELAXED);
}

void tsc_khz_set(u64 khz)
{
    __atomic_store_n(&tsc_khz, khz, __ATOMIC_RELAXED);
    __atomic_store_n(&host.gap, khz, __ATOMIC_RELAXED);
}

struct patience_host *patience_host(void)
{
    return cpu_has_hypervisor() ? &host : NULL;
}

u64 ticks_to_us(u64 ticks)
{
    return clock_ticks_to_us(ticks, tsc_khz_now());
}

u64 uptime_us(void)
{
    return ticks_to_us(clock_since(rdtsc(), first_tsc));
}

struct deadline deadline_start(u64 us)
{
    u64 longer = us * (cpu_has_hypervisor() ? HYPERVISOR_FACTOR : 1);
    struct deadline d;

    patience_begin(&d.p, patience_host(), clock_us_to_ticks(longer, tsc_khz_now()), rdtsc());
    return d;
}

bool deadline_passed(struct deadline *d)
{
    return patience_over(&d->p, rdtsc());
}

/* Without PAUSE: under QEMU's -icount each PAUSE runs every other virtual CPU for a turn. */
void udelay(u64 us)
{
    u64 start = rdtsc(), ticks = clock_us_to_ticks(us, tsc_khz_now());

    while (rdtsc() - start < ticks)
        ;
}
