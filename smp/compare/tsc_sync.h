/*
 * Measures, in one call to all online CPUs, how far apart their TSCs are:
 * smp/compare/tsc_sync_core.h says how, and what is promised. Nobody waits for anybody: a CPU takes
 * its readings when it gets to it.
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
    /* For tests: the TSC of this CPU reads so many ticks too high. NR_CPUS: of none. */
    u32 odd_cpu;
    s64 odd_ticks;
};

/* Bytes for CPU numbers below nr_ids, of which online run. */
u64 tsc_sync_size(u32 nr_ids, u32 online);

/*
 * About half a millisecond where CPUs are real, and 5 us of each CPU's time per CPU from some 80
 * CPUs up; under a hypervisor with many CPUs only what the readings take. The reference is the CPU
 * that runs this, unless more than half of the others differ from it: then *ref says which other.
 * 0; errors of smp_call_all(): then the memory stays in use for good.
 */
int tsc_sync_measure(const struct tsc_sync_work *work, u32 *ref,
                     struct tsc_sync *result) MUST_CHECK;

#endif
