/*
 * How far apart the TSCs of the CPUs are, from one disordered heap of readings.
 *
 * While all CPUs run at once, each adds one to a shared counter a number of times, and reads its
 * TSC before and after. The counter puts all these events into one order, whoever made them: event
 * i happened before event j if its number is lower. So the TSC of j's CPU after j cannot be behind
 * that of i's CPU before i by more than the difference of the two TSCs; that bounds the difference.
 * Bounds add up along chains of CPUs (a difference constraint graph, whose shortest paths are the
 * best bounds), so that a CPU need not have met the one it is compared with, and no CPU ever waits
 * for another: the measurement costs the same for 2 CPUs and for 4,096, and ends whatever they do.
 *
 * Promises: the true offset lies between the bounds, as long as the TSCs count at one rate during
 * the measurement. How narrow they are depends on how the CPUs' events are mixed.
 *
 * Pure; any context; nothing allocates. Time: events times the sweeps (a few).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_COMPARE_TSC_SYNC_CORE_H
#define PERCH_SMP_COMPARE_TSC_SYNC_CORE_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"

/* One addition to the counter; its place in the array is the counter's value before it. */
struct tsc_event {
    u64 before, after; /* the CPU's TSC */
    u32 cpu;
    u32 valid; /* 0: the CPU took the number but wrote nothing */
};

/* TSC of a CPU minus TSC of the reference, in ticks: low <= offset <= high. */
struct tsc_bounds {
    s64 low, high;
};

/* Offsets beyond this are cut to it; a bound that is not known is this. */
#define TSC_OFFSET_MAX (1LL << 60)

struct tsc_sync {
    u32 cpus;           /* with at least one event */
    u32 out_of_sync;    /* whose offset is certainly not 0 */
    u32 worst_cpu;      /* the one with the largest certain offset; 0 when none is */
    s64 worst;          /* that offset: the bound nearer to 0, so it is at least this large */
    u32 widest_cpu;     /* the CPU known least */
    u64 doubt;          /* its high - low, at most */
    u64 warps;          /* events whose TSC lies before that of an earlier event */
    u64 warp_max;       /* by how many ticks at most */
    u32 warp_cpu;       /* where that was */
    bool contradiction; /* bounds that exclude each other: the rates differ, or a TSC was written */
};

/*
 * events[n] in the counter's order, of CPUs below nr_cpus; bounds[nr_cpus] is written, for a CPU
 * without events with +-TSC_OFFSET_MAX. ref's own bounds are 0. -EINVAL: ref has no event.
 */
int tsc_sync_solve(const struct tsc_event *events, u32 n, u32 nr_cpus, u32 ref,
                   struct tsc_bounds *bounds, struct tsc_sync *result) MUST_CHECK;

#endif
