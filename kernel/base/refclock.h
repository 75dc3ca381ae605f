/*
 * Measuring the TSC by a clock whose frequency is known: HPET, ACPI PM timer, PIT. Each reading of
 * the clock lies between two readings of the TSC, so how wrong a measurement can be is known, and
 * it goes on until that is little. What no bracket shows (a counter that went round unseen, a clock
 * that runs at another rate) shows in two measurements that do not agree. Promises an end: a clock
 * that stands still costs `still` ticks of the TSC, one that never gives two good measurements
 * MAX_MEASURES times `limit`.
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
    u64 still; /* TSC ticks without a step of the clock, after which it does not count */
    u64 limit; /* TSC ticks of one measurement */
};

/* A good measurement may be wrong by one part in so many; the last resort by one in POOR. */
#define REFCLOCK_GOOD 1024
#define REFCLOCK_POOR 64

/*
 * TSC ticks per millisecond. 0: two measurements agree; -EIO: no two of several do, *khz is their
 * median, or 0 when there is none (each was interrupted); -ETIMEDOUT: the clock stands still, *khz
 * is 0.
 */
int refclock_khz(const struct refclock *ref, const struct refclock_limits *limits,
                 u64 *khz) MUST_CHECK;

/* Do two frequencies differ by more than one part in parts? Neither is 0. */
bool refclock_differ(u64 khz_a, u64 khz_b, u32 parts);

#endif
