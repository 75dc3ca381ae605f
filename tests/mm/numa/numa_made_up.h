/*
 * Topologies of made-up tables: what their tests begin and end with.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_MM_NUMA_NUMA_MADE_UP_H
#define PERCH_TESTS_MM_NUMA_NUMA_MADE_UP_H

#include "tests/host/shim.h"
#include "tests/mm/numa/numa_host.h"

#define ON 1

/* count CPUs with APIC ids 0 up, the first the boot CPU. */
static inline struct machine with_cpus(u32 count)
{
    struct machine m = {0};

    shim_log_reset();
    madt_begin(&m.madt, 3);
    for (u32 i = 0; i < count; i++)
        madt_x2apic(&m.madt, i, ON);
    srat_begin(&m.srat, 3);
    return m;
}

static inline bool built(struct machine *m)
{
    return machine_build(m) == 0 && numa_verify(&m->t, m->ram, m->ram_count) == 0;
}

#endif
