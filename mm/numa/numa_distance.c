/*
 * Distances between nodes, and the look-ups in a finished topology. See numa.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "kernel/base/sort.h"
#include "mm/numa/numa_types.h"

static void fill_from_slit(struct numa_builder *b)
{
    const struct slit_view *s = b->in->slit;
    struct numa_topology *t = b->t;

    for (u32 i = 0; i < t->node_count; i++) {
        if (t->nodes[i].pxm >= s->n) {
            firmware_finding(FW_SLIT_NO_LOCALITY, "%u localities, none for domain %u of node %u",
                             s->n, t->nodes[i].pxm, i);
            continue;
        }
        for (u32 j = 0; j < t->node_count; j++) {
            u8 d = slit_distance(s, t->nodes[i].pxm, t->nodes[j].pxm);

            if (d && i != j)
                t->distances[(size_t)i * t->node_count + j] = d;
        }
    }
    t->distance_source = NUMA_DISTANCE_SLIT;
}

/* Findings about pairs of nodes. The matrix may be odd for domains without a node. */
static void judge_pairs(const struct numa_topology *t)
{
    u32 asymmetric = 0, unreachable = 0, first_a = 0, first_b = 0, cut_a = 0, cut_b = 0;

    for (u32 a = 0; a < t->node_count; a++) {
        for (u32 b = 0; b < t->node_count; b++) {
            u8 d = numa_distance(t, (s32)a, (s32)b), back = numa_distance(t, (s32)b, (s32)a);

            if (a < b && d != back && asymmetric++ == 0)
                first_a = a, first_b = b;
            if (d == SLIT_UNREACHABLE && unreachable++ == 0)
                cut_a = a, cut_b = b;
        }
    }
    if (asymmetric)
        firmware_finding(FW_SLIT_ASYMMETRIC,
                         "distance of node %u to node %u is %u, back it is %u; %u such pairs",
                         first_a, first_b, numa_distance(t, (s32)first_a, (s32)first_b),
                         numa_distance(t, (s32)first_b, (s32)first_a), asymmetric);
    if (unreachable)
        firmware_finding(FW_SLIT_UNREACHABLE,
                         "distance of node %u to node %u is 255: unreachable; %u such distances",
                         cut_a, cut_b, unreachable);
}

/* Without an SRAT the domains in use are unknown, so all pairs count. */
static void judge_matrix(const struct slit_view *s)
{
    if (s->asymmetric)
        firmware_finding(FW_SLIT_ASYMMETRIC, "distances are not the same both ways");
    if (s->unreachable)
        firmware_finding(FW_SLIT_UNREACHABLE, "a distance is 255: unreachable");
}

int numa_set_distances(struct numa_builder *b)
{
    struct numa_topology *t = b->t;
    const struct slit_view *s = b->in->slit;
    size_t n = t->node_count;

    t->distances = numa_get(b, n * n, 1);
    if (!t->distances)
        return -ENOMEM;
    for (size_t i = 0; i < n * n; i++)
        t->distances[i] = i / n == i % n ? SLIT_LOCAL : SLIT_REMOTE;
    if (!s && n > 1)
        firmware_finding(FW_SLIT_MISSING, "none for %u nodes: distances 10 and 20 are assumed",
                         t->node_count);
    if (!s || s->verdict != SLIT_OK)
        return 0;
    if (!t->from_srat) {
        judge_matrix(s);
        return 0;
    }
    fill_from_slit(b);
    judge_pairs(t);
    return 0;
}

u8 numa_distance(const struct numa_topology *t, s32 a, s32 b)
{
    ASSERT(a >= 0 && (u32)a < t->node_count && b >= 0 && (u32)b < t->node_count);
    return t->distances[(size_t)a * t->node_count + (size_t)b];
}

u8 numa_cpu_distance(const struct numa_topology *t, u32 cpu_a, u32 cpu_b)
{
    ASSERT(cpu_a < t->cpu_count && cpu_b < t->cpu_count);
    return numa_distance(t, t->cpus[cpu_a].node, t->cpus[cpu_b].node);
}

/* A counting sort: distances are bytes, and equal ones keep the order of node numbers. */
void numa_node_order(const struct numa_topology *t, s32 node, s32 *out)
{
    u32 place[257] = {0};

    for (u32 i = 0; i < t->node_count; i++)
        place[numa_distance(t, node, (s32)i) + 1]++;
    for (u32 d = 1; d < ARRAY_SIZE(place); d++)
        place[d] += place[d - 1];
    for (u32 i = 0; i < t->node_count; i++)
        out[place[numa_distance(t, node, (s32)i)]++] = (s32)i;
}

u32 numa_apic_index(const struct numa_topology *t, u32 apic_id)
{
    u32 at = FIRST_WHERE(i, t->apic_count, t->apics[i].apic_id >= apic_id);

    return at < t->apic_count && t->apics[at].apic_id == apic_id ? at : t->apic_count;
}

s32 numa_apic_node(const struct numa_topology *t, u32 apic_id)
{
    u32 at = numa_apic_index(t, apic_id);

    return at < t->apic_count ? t->apics[at].node : NODE_NONE;
}

s32 numa_pxm_node(const struct numa_topology *t, u32 pxm)
{
    for (u32 i = 0; t->from_srat && i < t->node_count; i++)
        if (t->nodes[i].pxm == pxm)
            return (s32)i;
    return NODE_NONE;
}
