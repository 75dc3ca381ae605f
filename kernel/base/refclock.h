/*
 * Measures the TSC by a clock of known frequency: HPET, ACPI PM timer, PIT. Each reading of the
 * clock is between two readings of the TSC. These brackets bound the error, and a measurement goes
 * on until the bound is small. They do not show a counter that wrapped, or a clock with another
 * frequency: two measurements must agree for that. Promises an end: a clock that stands still costs
 * `still` TSC ticks; one without two good measurements costs MAX_MEASURES times `limit`.
 *
 * Pure: the clock and the TSC are functions. Context: where those may be called; nothing allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_REFCLOCK_H
#define PERCH_BASE_REFCLOCK_H

#include "kernel/base/clockmath.h"
#include "kernel/base/errno.h"

struct refclock {
    const char *name;
    u64 (*read)(void *ctx); /* counts up; bits outside of mask are ignored */
    u64 (*tsc)(void *ctx);
    void *ctx;
    u64 hz;
    u64 mask; /* 2^n - 1 for a counter of n bits */
};

struct refclock_limits {
    u64 still; /* TSC ticks without a step, after which the clock stands still */
    u64 limit; /* TSC ticks of one measurement */
};

/* A good measurement is wrong by at most one part in GOOD, the last resort by one in POOR. */
#define REFCLOCK_GOOD 1024
#define REFCLOCK_POOR 64

/*
 * *khz: TSC ticks per millisecond. Returns 0 when two measurements agree. -EIO: no two agree; *khz
 * is their median, or 0 when all of them were interrupted. -ETIMEDOUT: the clock stands still; *khz
 * is 0.
 */
int refclock_khz(const struct refclock *ref, const struct refclock_limits *limits,
                 u64 *khz) MUST_CHECK;

/* Do two frequencies differ by more than one part in parts? Neither is 0. */
bool refclock_differ(u64 khz_a, u64 khz_b, u32 parts);

#endif
