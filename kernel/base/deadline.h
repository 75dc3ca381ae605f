/*
 * Waiting with an end: every loop that waits for hardware or another CPU carries a deadline. Under
 * a hypervisor deadlines are 20 times as long (many virtual CPUs share few real ones: slow is not
 * dead), and a caller that sees progress starts its deadline anew. Until the TSC's frequency is
 * known 10 GHz is assumed, so that no deadline is shorter than it says.
 * Context: any CPU, any context; nothing allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_DEADLINE_H
#define PERCH_BASE_DEADLINE_H

#include "kernel/base/types.h"

/* How much longer every wait may take where virtual CPUs share few real ones. */
#define HYPERVISOR_FACTOR 20

struct deadline {
    u64 length; /* TSC ticks */
    u64 end;
};

/* A deadline us microseconds (times 20 under a hypervisor) from now. */
struct deadline deadline_start(u64 us);

bool deadline_passed(const struct deadline *d);

/* There was progress: the whole time again, from now. */
void deadline_restart(struct deadline *d);

/* Spins for at least us microseconds (not longer under a hypervisor). */
void udelay(u64 us);

/* TSC ticks per millisecond: measured, or the assumed 10 GHz. */
u64 tsc_khz_now(void);

/* Set once by the clock, when it has measured. */
void tsc_khz_set(u64 khz);

/* Microseconds, rounded down: of a number of TSC ticks; since the first C instruction. */
u64 ticks_to_us(u64 ticks);
u64 uptime_us(void);

#endif
