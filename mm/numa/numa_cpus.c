/*
 * CPU numbers, and the node of each CPU. See numa.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "mm/numa/numa_types.h"

static void add_cpu(struct numa_builder *b, u32 apic_id, u32 uid)
{
    struct numa_topology *t = b->t;
    s32 node = numa_apic_node(t, apic_id);

    t->cpus[t->cpu_count++] = (struct numa_cpu){
        .apic_id = apic_id, .uid = uid, .node = node, .in_srat = node != NODE_NONE};
}

/* The boot CPU runs, so it exists, whatever the MADT says. */
static void add_boot_cpu(struct numa_builder *b)
{
    const struct numa_input *in = b->in;
    const struct madt_cpu *boot = NULL;

    for (u32 i = 0; i < in->cpu_count && !boot; i++)
        if (in->cpus[i].apic_id == in->boot_apic_id)
            boot = &in->cpus[i];
    if (in->cpu_count && (!boot || !boot->enabled))
        firmware_finding(FW_MADT_BOOT_CPU, "no enabled entry for the boot CPU, APIC id 0x%x",
                         in->boot_apic_id);
    add_cpu(b, in->boot_apic_id, boot ? boot->uid : 0);
}

static int number(struct numa_builder *b)
{
    const struct numa_input *in = b->in;
    u32 limit = in->max_cpus ? in->max_cpus : NR_CPUS, max = MIN(limit, in->cpu_count + 1);
    struct numa_topology *t = b->t;
    u32 over = 0;

    t->cpus = numa_get(b, max, sizeof(*t->cpus));
    if (!t->cpus)
        return -ENOMEM;
    if (!in->tool)
        add_boot_cpu(b);
    for (u32 i = 0; i < in->cpu_count; i++) {
        const struct madt_cpu *c = &in->cpus[i];

        if (!c->enabled || (!in->tool && c->apic_id == in->boot_apic_id))
            continue;
        if (t->cpu_count < max)
            add_cpu(b, c->apic_id, c->uid);
        else if (over++ == 0)
            pr_warn("CPU limit of %u reached. Ignoring further CPUs", limit);
    }
    if (over)
        firmware_finding(FW_MADT_CPU_LIMIT, "%u CPUs are beyond the limit of %u", over, limit);
    return 0;
}

/* The next node that has memory, round robin; the node itself when no other has. */
static s32 next_with_memory(const struct numa_topology *t, s32 node)
{
    for (u32 i = 1; i <= t->node_count; i++) {
        s32 next = (s32)(((u32)node + i) % t->node_count);

        if (t->nodes[next].has_memory)
            return next;
    }
    return (s32)(((u32)node + 1) % t->node_count);
}

static void place_without_srat(struct numa_builder *b)
{
    struct numa_topology *t = b->t;
    s32 node = (s32)t->node_count - 1;

    for (u32 i = 0; i < t->cpu_count; i++) {
        if (t->cpus[i].in_srat)
            continue;
        node = next_with_memory(t, node);
        t->cpus[i].node = node;
        if (!t->from_srat)
            continue;
        firmware_finding(FW_SRAT_CPU_MISSING,
                         "no enabled entry for CPU %u (APIC 0x%02x), node %d is assumed", i,
                         t->cpus[i].apic_id, node);
    }
}

static void report_apic(const struct numa_topology *t, const struct numa_apic *a,
                        const struct madt_cpu *listed)
{
    if (!listed)
        firmware_finding(FW_SRAT_CPU_UNKNOWN,
                         "entry %u at offset 0x%x: APIC id 0x%02x, domain %u: not in the MADT",
                         a->entry, a->offset, a->apic_id, t->nodes[a->node].pxm);
    else if (!listed->enabled)
        firmware_finding(FW_SRAT_CPU_DISABLED,
                         "entry %u at offset 0x%x: APIC id 0x%02x, domain %u: disabled by entry %u "
                         "of the MADT",
                         a->entry, a->offset, a->apic_id, t->nodes[a->node].pxm, listed->entry);
}

/* CPUs of the SRAT that the MADT disables or does not list, by rising APIC id. */
static int report_unknown(struct numa_builder *b)
{
    const struct numa_input *in = b->in;
    struct numa_topology *t = b->t;
    const struct madt_cpu **listed;

    if (!in->cpu_count)
        return 0;
    listed = numa_get(b, t->apic_count, sizeof(const struct madt_cpu *));
    if (!listed)
        return -ENOMEM;
    for (u32 i = 0; i < in->cpu_count; i++) {
        u32 at = numa_apic_index(t, in->cpus[i].apic_id);

        if (at < t->apic_count)
            listed[at] = &in->cpus[i];
    }
    for (u32 i = 0; i < t->apic_count; i++)
        report_apic(t, &t->apics[i], listed[i]);
    numa_put(b, listed, t->apic_count, sizeof(const struct madt_cpu *));
    return 0;
}

int numa_number_cpus(struct numa_builder *b)
{
    struct numa_topology *t = b->t;
    int err = number(b);

    if (err)
        return err;
    place_without_srat(b);
    for (u32 i = 0; i < t->cpu_count; i++) {
        struct numa_node *node = &t->nodes[t->cpus[i].node];

        node->cpu_count++;
        node->has_cpus = true;
    }
    return report_unknown(b);
}
