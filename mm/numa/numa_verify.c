/*
 * The invariants of a topology, checked. See numa.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "mm/numa/numa.h"

#define CHECK(cond, fmt, ...)                                                                      \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            pr_err("numa: invariant broken: " fmt, ##__VA_ARGS__);                                 \
            return -EINVAL;                                                                        \
        }                                                                                          \
    } while (0)

static bool node_exists(const struct numa_topology *t, s32 node)
{
    return node >= 0 && (u32)node < t->node_count;
}

static int verify_nodes(const struct numa_topology *t)
{
    u32 cpus = 0;

    CHECK(t->node_count > 0 && t->cpu_count > 0, "%u nodes, %u CPUs", t->node_count, t->cpu_count);
    CHECK(t->from_srat || t->node_count == 1, "%u nodes without SRAT", t->node_count);
    CHECK(t->from_srat == !t->reason, "a fallback needs a reason, and only a fallback");
    for (u32 i = 0; i < t->node_count; i++) {
        const struct numa_node *n = &t->nodes[i];

        cpus += n->cpu_count;
        CHECK(n->has_cpus == (n->cpu_count != 0), "node %u: has_cpus", i);
        CHECK(n->has_memory == (n->ram_bytes != 0), "node %u: has_memory", i);
    }
    CHECK(cpus == t->cpu_count, "nodes have %u CPUs of %u", cpus, t->cpu_count);
    for (u32 i = 0; i < t->cpu_count; i++)
        CHECK(node_exists(t, t->cpus[i].node), "CPU %u: node %d", i, t->cpus[i].node);
    for (u32 i = 0; i < t->apic_count; i++) {
        CHECK(node_exists(t, t->apics[i].node), "APIC 0x%x: node %d", t->apics[i].apic_id,
              t->apics[i].node);
        CHECK(!i || t->apics[i - 1].apic_id < t->apics[i].apic_id, "APIC list: item %u", i);
    }
    return 0;
}

static int verify_distances(const struct numa_topology *t)
{
    size_t n = t->node_count;

    for (size_t i = 0; i < n * n; i++) {
        u8 d = t->distances[i];

        CHECK(i / n == i % n ? d == SLIT_LOCAL : d > SLIT_LOCAL, "distance %zu to %zu is %u", i / n,
              i % n, d);
    }
    return 0;
}

static int verify_memory(const struct numa_topology *t)
{
    for (u32 i = 0; i < t->memory_count; i++) {
        const struct numa_memory *m = &t->memory[i];

        CHECK(m->start < m->end, "memory %u is empty", i);
        CHECK(!i || m[-1].end <= m->start, "memory %u begins inside the one before", i);
        CHECK(node_exists(t, m->node), "memory %u: node %d", i, m->node);
    }
    return 0;
}

/* Every byte of RAM lies in a memory range; both lists are sorted. */
static int verify_cover(const struct numa_topology *t, const struct range *ram, u32 ram_count)
{
    u32 i = 0;

    for (u32 r = 0; r < ram_count; r++) {
        u64 at = ram[r].start;

        while (at < ram[r].end) {
            while (i < t->memory_count && t->memory[i].end <= at)
                i++;
            CHECK(i < t->memory_count && t->memory[i].start <= at, "RAM at 0x%llx has no node",
                  (ull)at);
            at = t->memory[i].end;
        }
    }
    return 0;
}

int numa_verify(const struct numa_topology *t, const struct range *ram, u32 ram_count)
{
    int err = verify_nodes(t);

    if (!err)
        err = verify_distances(t);
    if (!err)
        err = verify_memory(t);
    if (!err && ram)
        err = verify_cover(t, ram, ram_count);
    return err;
}
