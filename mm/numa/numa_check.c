/*
 * Checks across MADT, SRAT and MSCT; see numa_check.h.
 * SPDX-License-Identifier: MIT
 */
#include "mm/numa/numa_check.h"

#include "kernel/base/firmware.h"
#include "kernel/base/printf.h"
#include "kernel/base/sort.h"

#define LIST_MAX 96

/* The domains as text; "..." ends a list that is too long for a line. */
static void list_domains(const struct numa_topology *t, char text[LIST_MAX])
{
    int len = 0;

    for (u32 i = 0; i < t->node_count; i++) {
        if (len > LIST_MAX - 20) {
            kscnprintf(text + len, (size_t)(LIST_MAX - len), " ...");
            return;
        }
        len += kscnprintf(text + len, (size_t)(LIST_MAX - len), " %u", t->nodes[i].pxm);
    }
}

static void check_domains(const struct numa_check *c)
{
    const struct numa_topology *t = c->topo;
    char text[LIST_MAX] = "";
    u32 highest = 0;

    for (u32 i = 0; i < t->node_count; i++)
        highest = MAX(highest, t->nodes[i].pxm);
    list_domains(t, text);
    if (highest >= t->node_count)
        firmware_finding(FW_SRAT_DOMAINS_SPARSE, "%u domains, not numbered 0 to %u:%s",
                         t->node_count, t->node_count - 1, text);
    if (c->msct && highest >= c->msct->max_domains)
        firmware_finding(FW_MSCT_DOMAINS, "%u domains are possible, the SRAT has:%s",
                         c->msct->max_domains, text);
}

/* CPUs on the node; without a MADT, those the SRAT lists. */
static u32 cpus_on(const struct numa_check *c, u32 node)
{
    const struct numa_topology *t = c->topo;
    u32 n = 0;

    if (c->in->cpu_count)
        return t->nodes[node].cpu_count;
    for (u32 i = 0; i < t->apic_count; i++)
        n += t->apics[i].node == (s32)node;
    return n;
}

static void check_nodes(const struct numa_check *c)
{
    for (u32 i = 0; i < c->topo->node_count; i++) {
        const struct numa_node *n = &c->topo->nodes[i];
        u32 cpus = cpus_on(c, i);

        if (cpus && !n->has_memory)
            firmware_finding(FW_SRAT_MEMORYLESS_NODE,
                             "node %u (domain %u) has %u CPUs and no memory", i, n->pxm, cpus);
        if (n->has_memory && !cpus)
            firmware_finding(FW_SRAT_CPULESS_NODE,
                             "node %u (domain %u) has %llu MiB of memory and no CPU", i, n->pxm,
                             (ull)(n->ram_bytes / SZ_1M));
    }
}

static int by_uid(const void *a, const void *b, void *ctx UNUSED)
{
    const struct madt_cpu *x = *(const struct madt_cpu *const *)a;
    const struct madt_cpu *y = *(const struct madt_cpu *const *)b;

    return sort_order(x->uid, y->uid) ?: sort_order(x->entry, y->entry);
}

/* The ACPI namespace identifies a processor by its UID (ACPI 6.5, 5.2.12.2): it must be unique. */
static void check_uids(const struct numa_input *in, const struct numa_alloc *alloc)
{
    size_t size = in->cpu_count * sizeof(struct madt_cpu *);
    const struct madt_cpu **list;
    u32 n = 0;

    list = size ? alloc->alloc(alloc->ctx, size) : NULL;
    if (!list)
        return;
    for (u32 i = 0; i < in->cpu_count; i++)
        if (in->cpus[i].enabled)
            list[n++] = &in->cpus[i];
    sort(list, n, sizeof(struct madt_cpu *), by_uid, NULL);
    for (u32 i = 1; i < n; i++)
        if (list[i]->uid == list[i - 1]->uid)
            firmware_finding(FW_MADT_UID_DUPLICATE,
                             "entry %u (APIC id 0x%x) has processor UID %u, as entry %u (APIC id "
                             "0x%x)",
                             list[i]->entry, list[i]->apic_id, list[i]->uid, list[i - 1]->entry,
                             list[i - 1]->apic_id);
    if (alloc->free)
        alloc->free(alloc->ctx, list, size);
}

void numa_check(const struct numa_check *c, const struct numa_alloc *alloc)
{
    check_uids(c->in, alloc);
    if (!c->topo->from_srat)
        return;
    check_domains(c);
    check_nodes(c);
    if (c->hmat)
        numa_check_hmat(c);
}
