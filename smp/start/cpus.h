/*
 * The machine's CPUs: the one instance of the CPU map. The boot CPU initialises it once. After that
 * any CPU reads it; the bring-up, and CPUs that park and wake (smp/run/park.h), change it.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_START_CPUS_H
#define PERCH_SMP_START_CPUS_H

#include "smp/start/cpumap.h"

extern struct cpumap cpu_map;

#define for_each_possible_cpu(cpu) for_each_cpu(cpu, &cpu_map, CPU_POSSIBLE)
#define for_each_online_cpu(cpu)   for_each_cpu(cpu, &cpu_map, CPU_ONLINE)

static inline u32 cpus_online(void)
{
    return cpumap_count(&cpu_map, CPU_ONLINE);
}

static inline bool cpu_is_online(u32 cpu)
{
    return cpumap_test(&cpu_map, CPU_ONLINE, cpu);
}

#endif
