/*
 * Which CPUs there are: three sets (possible, present, online) over CPU numbers, and the APIC id of
 * each number. Promises to every reader on any CPU that a set read while a CPU comes or goes is
 * either the old or the new one for that CPU: the sets are atomic words, without a lock.
 *   possible: may ever run, has a per-CPU unit; fixed once at boot
 *   present:  has answered the start-up
 *   online:   runs, and serves cross-CPU calls
 * online is always a subset of present, and present of possible (cpumap_verify). Reads and changes
 * are sequentially consistent: smp/call/call_core.h and smp/run/park_core.h depend on it.
 *
 * Pure; any CPU, any context; cpumap_init() once, on the boot CPU, before anybody reads.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_START_CPUMAP_H
#define PERCH_SMP_START_CPUMAP_H

#include <stdatomic.h>
#include "kernel/base/bitmap.h"
#include "kernel/base/errno.h"
#include "kernel/base/types.h"

enum cpu_set { CPU_POSSIBLE, CPU_PRESENT, CPU_ONLINE, CPU_SETS };

#define CPUMAP_WORDS BITMAP_WORDS(NR_CPUS)

struct cpumap {
    u32 nr_ids; /* highest possible CPU number + 1 */
    u32 apic_id[NR_CPUS];
    _Atomic u64 set[CPU_SETS][CPUMAP_WORDS];
};

/*
 * CPUs 0..n-1 are possible, with these APIC ids; CPU 0, which runs this, is present and online.
 * That the ids differ is checked by the bring-up, which sorts them. -EINVAL: n is 0 or above
 * NR_CPUS.
 */
int cpumap_init(struct cpumap *map, const u32 *apic_ids, u32 n) MUST_CHECK;

/*
 * Enters or leaves a set. Entering online enters present too, leaving present leaves online.
 * Returns whether the set was changed. cpu below nr_ids.
 */
bool cpumap_set(struct cpumap *map, enum cpu_set set, u32 cpu);
bool cpumap_clear(struct cpumap *map, enum cpu_set set, u32 cpu);

bool cpumap_test(const struct cpumap *map, enum cpu_set set, u32 cpu);
u32 cpumap_count(const struct cpumap *map, enum cpu_set set);

/* First member at or after start; nr_ids when there is none. */
u32 cpumap_next(const struct cpumap *map, enum cpu_set set, u32 start);

#define for_each_cpu(cpu, map, set)                                                                \
    for ((cpu) = cpumap_next((map), (set), 0); (cpu) < (map)->nr_ids;                              \
         (cpu) = cpumap_next((map), (set), (cpu) + 1))

/* Word i of a set: CPUs 64 * i and up. */
static inline u64 cpumap_word(const struct cpumap *map, enum cpu_set set, u32 i)
{
    return atomic_load_explicit(&map->set[set][i], memory_order_seq_cst);
}

/* Copies a set into words[CPUMAP_WORDS]: a state each CPU was in at some time during the call. */
void cpumap_snapshot(const struct cpumap *map, enum cpu_set set, u64 *words);

/* Checks the invariants, when nobody changes the map; 0, or -EINVAL with a line. */
int cpumap_verify(const struct cpumap *map) MUST_CHECK;

#endif
