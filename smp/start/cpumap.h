/*
 * The CPU map: three sets (possible, present, online) over CPU numbers, and the APIC id of each
 * number. The sets are atomic words without a lock. Promises that a reader sees each CPU as either
 * in or out of a set while another CPU changes it.
 *   possible: may ever run, has a per-CPU unit; fixed once at boot
 *   present:  has answered the start-up
 *   online:   runs, and serves cross-CPU calls
 * online is always a subset of present, and present of possible (cpumap_verify). Reads and changes
 * are sequentially consistent: smp/call/call_core.h and smp/run/park_core.h depend on it.
 *
 * Pure; any CPU, any context; cpumap_init() once, on the boot CPU, before any reader.
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

/*
 *  - who writes: the sets: a CPU its own bits of present and online, when it comes and goes; the
 *    boot CPU the rest, before other CPUs run. The ids are written once, before any reader;
 *  - who reads: any CPU, any context;
 *  - which order: all sequentially consistent. Who sees a CPU online sees what that CPU did before
 *    it entered. Others that must not both miss each other (a request and a CPU that leaves, a
 *    change and a CPU that comes) do one step before, one after, their access to the set.
 */
struct cpumap {
    u32 nr_ids; /* highest possible CPU number + 1 */
    u32 apic_id[NR_CPUS];
    _Atomic u64 set[CPU_SETS][CPUMAP_WORDS];
};

/*
 * Makes CPUs 0..n-1 possible, with these APIC ids, and CPU 0, the caller, present and online. The
 * bring-up checks that the ids differ when it sorts them. -EINVAL: n is 0 or above NR_CPUS.
 */
int cpumap_init(struct cpumap *map, const u32 *apic_ids, u32 n) MUST_CHECK;

/*
 * Puts a CPU into a set, or takes it out. A CPU put into online is put into present too; one taken
 * out of present is taken out of online too. Returns whether the set changed. cpu below nr_ids.
 */
bool cpumap_set(struct cpumap *map, enum cpu_set set, u32 cpu);
bool cpumap_clear(struct cpumap *map, enum cpu_set set, u32 cpu);

bool cpumap_test(const struct cpumap *map, enum cpu_set set, u32 cpu);
u32 cpumap_count(const struct cpumap *map, enum cpu_set set);

/* The first member at or after start; nr_ids: none. */
u32 cpumap_next(const struct cpumap *map, enum cpu_set set, u32 start);

#define for_each_cpu(cpu, map, set)                                                                \
    for ((cpu) = cpumap_next((map), (set), 0); (cpu) < (map)->nr_ids;                              \
         (cpu) = cpumap_next((map), (set), (cpu) + 1))

/* Word i of a set: CPUs 64 * i to 64 * i + 63. */
static inline u64 cpumap_word(const struct cpumap *map, enum cpu_set set, u32 i)
{
    return atomic_load_explicit(&map->set[set][i], memory_order_seq_cst);
}

/* Copies a set into words[CPUMAP_WORDS]. The words are read one by one, not as one moment's set. */
void cpumap_snapshot(const struct cpumap *map, enum cpu_set set, u64 *words);

/* For tests: checks the invariants while no CPU changes the map. 0; -EINVAL after a log line. */
int cpumap_verify(const struct cpumap *map) MUST_CHECK;

#endif
