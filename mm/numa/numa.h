/*
 * The machine's topology, decided from checked ACPI records: which CPUs there are and their
 * numbers, which node each belongs to, which memory is on which node, the distances of nodes.
 * Promises later stages a topology that is always usable (at worst one node, with the reason):
 * every CPU has a node, every byte of RAM has a node, and numa_verify() holds.
 *
 * The rules are the table "NUMA decisions" of the design:
 *  - node numbers are compact: first seen in SRAT order, CPU and initiator entries before memory;
 *    only enabled, well-formed entries count. A node without CPUs, memory or both is kept.
 *  - a range that wraps is dropped; of overlapping ranges of two nodes the later entry loses the
 *    overlap (FAIL); ranges of one node are merged (WARN). Neighbouring ranges of one node are
 *    joined over a gap, as in Linux, when their hotplug and non-volatile flags agree.
 *  - RAM in no entry goes to the node of the nearest range below, else above; over 1 MiB FAIL.
 *  - CPUs without SRAT entry are spread over the nodes that have RAM, lowest node first, round
 *    robin in the order of CPU numbers, as in Linux (FAIL).
 *  - one CPU in two SRAT entries: the later counts, as in Linux; with different nodes FAIL.
 *  - distances from the SLIT, by domain; a domain beyond its localities 10/20 (FAIL).
 *
 * CPU numbers: the boot CPU is 0, then the enabled MADT entries in table order.
 *
 * Context: boot CPU, once; the result is read-only and may be read by every CPU. Pure.
 * Time is O(n log n) in entries, and O(nodes * nodes) for the distances.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_NUMA_NUMA_H
#define PERCH_MM_NUMA_NUMA_H

#include "acpi/madt.h"
#include "acpi/slit.h"
#include "acpi/srat.h"
#include "kernel/base/range.h"
#include "kernel/base/types.h"

/* So much RAM outside the SRAT is not a FAIL (as in memblock's coverage check in Linux). */
#define NUMA_UNCOVERED_SLACK SZ_1M

struct numa_input {
    const struct madt_cpu *cpus; /* table order, disabled ones too; cpu_count 0: boot CPU only */
    u32 cpu_count;
    u32 boot_apic_id;
    u32 max_cpus;  /* nr_cpus=, possible_cpus=; 0: NR_CPUS. The boot CPU always counts */
    u32 max_nodes; /* 0: MAX_NODES */
    bool off;      /* numa=off */
    bool tool;     /* not on the machine itself: no boot CPU, perhaps no CPU at all */
    const struct srat_records *srat; /* NULL: none usable; no_srat is the reason */
    const char *no_srat;             /* why, for the log; may be NULL */
    const struct slit_view *slit;    /* NULL, or what slit_parse() filled in, usable or not */
    const struct range *ram;         /* sorted, disjoint; NULL in a tool without a memory map */
    u32 ram_count;
};

/* alloc: zeroed memory, aligned to 8, or NULL. free: takes back scratch memory; may be NULL. */
struct numa_alloc {
    void *(*alloc)(void *ctx, size_t size);
    void (*free)(void *ctx, void *p, size_t size);
    void *ctx;
};

struct numa_cpu {
    u32 apic_id;
    u32 uid;
    s32 node;
    bool in_srat; /* false: node was chosen by round robin (or there is one node only) */
};

struct numa_node {
    u32 pxm;
    u32 cpu_count;
    u64 ram_bytes;   /* of input.ram; without it, of the SRAT's ranges */
    bool has_memory; /* ram_bytes != 0; a CPU-only node has none */
    bool has_cpus;   /* cpu_count != 0 */
    bool has_initiator;
};

struct numa_memory {
    u64 start, end;
    s32 node;
    bool hotplug, nonvolatile;
};

/* The SRAT's node of an APIC id, whether the CPU exists or not. Sorted by apic_id. */
struct numa_apic {
    u32 apic_id;
    s32 node;
    u32 entry, offset; /* of the SRAT: the entry that counts, and where it is */
};

enum numa_distance_source { NUMA_DISTANCE_DEFAULT, NUMA_DISTANCE_SLIT };

struct numa_topology {
    u32 cpu_count, node_count, memory_count, apic_count;
    struct numa_cpu *cpus;      /* by CPU number */
    struct numa_node *nodes;    /* by node number */
    struct numa_memory *memory; /* sorted, disjoint; covers all RAM */
    struct numa_apic *apics;
    u8 *distances; /* node_count * node_count, row "from" */
    enum numa_distance_source distance_source;
    bool from_srat;
    const char *reason;  /* of the single fallback node; NULL when from_srat */
    u64 uncovered_bytes; /* RAM in no SRAT entry */
};

/*
 * Builds the topology, and logs it in Linux's forms. Results and scratch come from alloc; only the
 * scratch is freed. 0; -ENOMEM (*out is unusable then); -EINVAL: ram not sorted and disjoint, which
 * is a bug of the caller.
 */
int numa_build(const struct numa_input *in, const struct numa_alloc *alloc,
               struct numa_topology *out);

/* Distance from node a to node b: 10 when equal, else more than 10. Nodes must exist. */
u8 numa_distance(const struct numa_topology *t, s32 a, s32 b);

/* Distance between CPU numbers, as the first chunk groups them. */
u8 numa_cpu_distance(const struct numa_topology *t, u32 cpu_a, u32 cpu_b);

/* All nodes into out, nearest to node first by node's own distances; ties: lower number first. */
void numa_node_order(const struct numa_topology *t, s32 node, s32 *out);

/* Index in t->apics of this APIC id; apic_count: the SRAT has none. O(log n). */
u32 numa_apic_index(const struct numa_topology *t, u32 apic_id);

/* The SRAT's node of this APIC id; NODE_NONE: it has none. O(log n). */
s32 numa_apic_node(const struct numa_topology *t, u32 apic_id);

/* Node of this proximity domain; NODE_NONE: there is none. O(nodes). */
s32 numa_pxm_node(const struct numa_topology *t, u32 pxm);

/* Checks every promise above; ram as in the input (NULL: not checked). 0; -EINVAL with a line. */
int numa_verify(const struct numa_topology *t, const struct range *ram, u32 ram_count);

#endif
