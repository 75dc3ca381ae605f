/*
 * Computes how far apart the TSCs of the CPUs are.
 *
 * All CPUs run at once. Each adds one to a shared counter a number of times, and reads its TSC
 * before and after each addition. The counter orders these events: event i happened before event j
 * if its number is lower. So on a common clock the reading before i is earlier than the reading
 * after j, which bounds the difference of the two CPUs' TSCs. Bounds add up along chains of CPUs (a
 * difference constraint graph, whose shortest paths are the best bounds). So two CPUs can be
 * compared through others, and no CPU waits for another: the measurement takes the same time on 2
 * CPUs and on 4,096, and always ends.
 *
 * Promises that the true offset is within the bounds, if the TSCs count at one rate during the
 * measurement. The better the CPUs' events are mixed, the narrower the bounds.
 *
 * Pure; any context; nothing allocates. Time: number of events times a few sweeps.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_COMPARE_TSC_SYNC_CORE_H
#define PERCH_SMP_COMPARE_TSC_SYNC_CORE_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"

/* One addition to the counter. Its array index is the counter's value before it. */
struct tsc_event {
    u64 before, after; /* the CPU's TSC before and after the addition */
    u32 cpu;
    u32 valid; /* 0: the CPU took the number but wrote nothing */
};

/* The offset is a CPU's TSC - the reference's TSC, in ticks: low <= offset <= high. */
struct tsc_bounds {
    s64 low, high;
};

/* Larger offsets are cut to this; it also stands for an unknown bound. */
#define TSC_OFFSET_MAX (1LL << 60)

struct tsc_sync {
    u32 cpus;           /* CPUs with at least one event */
    u32 out_of_sync;    /* CPUs whose bounds exclude an offset of 0 */
    u32 worst_cpu;      /* the CPU with the largest certain offset; 0 when none is */
    s64 worst;          /* its bound closer to 0: the offset is at least this large */
    u32 widest_cpu;     /* the CPU with the widest bounds */
    u64 doubt;          /* its high - low */
    u64 warps;          /* events whose TSC is before that of an earlier event */
    u64 warp_max;       /* the largest such step back, in ticks */
    u32 warp_cpu;       /* the CPU of that event */
    bool contradiction; /* bounds that exclude each other: the rates differ, or a TSC was written */
};

/*
 * What `in step` claims: offsets below this, about what a message between two sockets takes. On
 * real CPUs the doubt is below 1 us (docs/adr/0012); under a hypervisor it is often milliseconds.
 */
#define TSC_IN_STEP_US 10

enum tsc_step {
    TSC_IN_STEP,     /* every offset is known to be small */
    TSC_NOT_KNOWN,   /* none is proved, but the bounds are too wide to exclude a large one */
    TSC_OUT_OF_STEP, /* an offset is proved */
    TSC_UNSTEADY,    /* no fixed offsets fit */
};

/*
 * What the readings prove. `in step` is said only when every CPU's bounds are at most `small` ticks
 * apart: where the doubt is larger than what is claimed, nothing is claimed.
 */
enum tsc_step tsc_sync_step(const struct tsc_sync *result, u64 small);

/* "in-step", "not-known", "out-of-step", "unsteady": for the report. */
const char *tsc_step_name(enum tsc_step step);

/*
 * Solves events[n], which are in the counter's order, for CPUs below nr_cpus. Writes
 * bounds[nr_cpus]: 0 for ref, and +-TSC_OFFSET_MAX for a CPU without events. -EINVAL: ref has no
 * event.
 */
int tsc_sync_solve(const struct tsc_event *events, u32 n, u32 nr_cpus, u32 ref,
                   struct tsc_bounds *bounds, struct tsc_sync *result) MUST_CHECK;

#endif
