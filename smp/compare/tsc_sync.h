/*
 * Measures, in one call to all online CPUs, how far apart their TSCs are. The method and the
 * promise are in smp/compare/tsc_sync_core.h. No CPU waits for another: each takes its readings
 * when it serves the call.
 *
 * Context: thread context on any online CPU, interrupts on, one caller at a time. Nothing
 * allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_COMPARE_TSC_SYNC_H
#define PERCH_SMP_COMPARE_TSC_SYNC_H

#include "smp/compare/tsc_sync_core.h"

struct tsc_sync_work {
    /* Memory of tsc_sync_size() bytes, 64-byte aligned, zeroed. */
    void *memory;
    u32 online; /* as given to tsc_sync_size() */
    u64 tsc_hz;
    bool hypervisor;
    /* For tests: readings of CPU odd_cpu are odd_ticks too high. NR_CPUS: of no CPU. */
    u32 odd_cpu;
    s64 odd_ticks;
};

/* Bytes for CPU numbers below nr_ids, when `online` CPUs run. */
u64 tsc_sync_size(u32 nr_ids, u32 online);

/*
 * Measures. *ref: the reference. It is the calling CPU, unless more than half of the CPUs differ
 * from it. Takes about half a millisecond on real CPUs, and from about 80 CPUs up 5 us per CPU;
 * under a hypervisor with many CPUs only the time of the readings. 0; errors of smp_call_all():
 * then the memory stays in use for good.
 */
int tsc_sync_measure(const struct tsc_sync_work *work, u32 *ref,
                     struct tsc_sync *result) MUST_CHECK;

#endif
