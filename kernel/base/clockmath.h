/*
 * The clock's arithmetic: units, frequencies from counted ticks, and the error of a measurement.
 * Exact but for rounding down; nothing overflows for times below 500 years.
 * Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_CLOCKMATH_H
#define PERCH_BASE_CLOCKMATH_H

#include "kernel/base/types.h"

/* khz: TSC ticks per millisecond, not 0. */
u64 clock_ticks_to_us(u64 ticks, u64 khz);
u64 clock_ticks_to_ns(u64 ticks, u64 khz);
u64 clock_us_to_ticks(u64 us, u64 khz);

/*
 * TSC ticks per millisecond: it advanced by tsc while a clock of ref_hz advanced by ref; 0 for 0.
 */
u64 clock_khz(u64 tsc, u64 ref, u64 ref_hz);

/*
 * CPUID 15h (SDM vol. 2, CPUID; vol. 3, 19.7.3): crystal * numerator / denominator, in kHz. Some
 * CPUs give the ratio without the crystal: there the TSC counts at the base frequency of leaf 16h,
 * which is rounded to MHz. 0 when the CPU enumerates neither.
 */
u64 clock_khz_cpuid(u32 denominator, u32 numerator, u32 crystal_hz, u32 base_mhz);

/*
 * Ticks from start to now, two readings of the TSC; 0 when now is earlier. The TSC of another CPU
 * may be behind, and its time would be 2^64.
 */
static inline u64 clock_since(u64 now, u64 start)
{
    return (s64)(now - start) < 0 ? 0 : now - start;
}

/* The TSC before and after a reading of another clock. */
struct clock_bracket {
    u64 before, after;
};

/*
 * TSC ticks between two bracketed readings, middle to middle. 0: the brackets are so wide that the
 * result may be wrong by more than one part in parts, as when a hypervisor paused the CPU inside
 * one. A longer measurement makes that error smaller, on a slow host too. A pause between the two
 * readings does no harm.
 */
u64 clock_span(struct clock_bracket first, struct clock_bracket last, u32 parts);

#endif
