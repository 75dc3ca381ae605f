/*
 * Node numbers: the SRAT's entries are visited in Linux's order, CPUs and initiators first, then
 * memory, and each new domain gets the next number. Domains are any 32-bit values, so a hash table
 * finds their nodes. See numa.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "kernel/base/sort.h"
#include "mm/numa/numa_types.h"

#define X2APIC_NO_ID 0xffffffffu

/* An enabled CPU entry with its node. */
struct apic_entry {
    u32 apic_id;
    s32 node;
    u32 entry, offset;
};

static u32 usable_entries(const struct srat_records *r)
{
    return r->cpu_count + r->initiator_count + r->mem_count;
}

static int prepare(struct numa_builder *b)
{
    const struct srat_records *r = b->in->srat;
    u32 limit = b->in->max_nodes ? b->in->max_nodes : MAX_NODES;

    b->node_max = MIN(limit, usable_entries(r));
    b->hash_size = 2;
    while (b->hash_size < 2 * b->node_max)
        b->hash_size *= 2;
    b->hash = numa_get(b, b->hash_size, sizeof(*b->hash));
    b->t->nodes = numa_get(b, b->node_max, sizeof(*b->t->nodes));
    b->srat.max = r->mem_count;
    b->srat.p = numa_get(b, b->srat.max, sizeof(*b->srat.p));
    if (!b->hash || !b->t->nodes || !b->srat.p)
        return -ENOMEM;
    for (u32 i = 0; i < b->hash_size; i++)
        b->hash[i].node = NODE_NONE;
    return 0;
}

/* The domain's node, a new one when needed; NODE_NONE, with a finding: there are too many. */
static s32 node_of_pxm(struct numa_builder *b, u32 pxm, u32 entry)
{
    u32 i = (u32)((u64)(pxm * 2654435761u) * b->hash_size >> 32); /* the product's high bits */

    for (; b->hash[i].node != NODE_NONE; i = (i + 1) & (b->hash_size - 1))
        if (b->hash[i].pxm == pxm)
            return b->hash[i].node;
    if (b->t->node_count == b->node_max) {
        firmware_finding(FW_SRAT_DOMAIN_LIMIT,
                         "entry %u: too many proximity domains, %u is one more than %u", entry, pxm,
                         b->node_max);
        return NODE_NONE;
    }
    b->hash[i] = (struct numa_pxm_slot){.pxm = pxm, .node = (s32)b->t->node_count};
    b->t->nodes[b->t->node_count++].pxm = pxm;
    return b->hash[i].node;
}

static void see_cpu(struct numa_builder *b, const struct srat_cpu *c, struct apic_entry *list,
                    u32 *count)
{
    s32 node;

    if (!c->enabled || (c->x2apic && c->apic_id == X2APIC_NO_ID))
        return;
    node = node_of_pxm(b, c->pxm, c->entry);
    if (node == NODE_NONE)
        return;
    if (c->x2apic)
        pr_info("SRAT: PXM %u -> APIC 0x%04x -> Node %d", c->pxm, c->apic_id, node);
    else
        pr_info("SRAT: PXM %u -> APIC 0x%02x -> Node %d", c->pxm, c->apic_id, node);
    list[(*count)++] = (struct apic_entry){
        .apic_id = c->apic_id, .node = node, .entry = c->entry, .offset = c->offset};
}

static void see_initiator(struct numa_builder *b, const struct srat_initiator *g)
{
    s32 node = g->enabled && !g->port ? node_of_pxm(b, g->pxm, g->entry) : NODE_NONE;

    if (node != NODE_NONE)
        b->t->nodes[node].has_initiator = true;
}

static void see_memory(struct numa_builder *b, const struct srat_mem *m)
{
    struct numa_piece p = {
        .start = m->base,
        .end = m->base + m->length,
        .entry = m->entry,
        .hotplug = m->flags & SRAT_MEM_HOTPLUG,
        .nonvolatile = m->flags & SRAT_MEM_NON_VOLATILE,
    };

    if (!(m->flags & SRAT_MEM_ENABLED))
        return;
    if (p.end < p.start) {
        firmware_finding(FW_SRAT_WRAPS, "entry %u: base 0x%llx and length 0x%llx wrap", m->entry,
                         (ull)m->base, (ull)m->length);
        return;
    }
    p.node = node_of_pxm(b, m->pxm, m->entry);
    if (p.node == NODE_NONE)
        return;
    if (m->length == 0) {
        firmware_finding(FW_SRAT_EMPTY_RANGE, "entry %u is enabled and has length 0", m->entry);
        return;
    }
    pr_info("ACPI: SRAT: Node %d PXM %u " RANGE_FMT "%s%s", p.node, m->pxm, RANGE_ARG(p),
            p.hotplug ? " hotplug" : "", p.nonvolatile ? " non-volatile" : "");
    b->srat.p[b->srat.count++] = p;
}

static int by_id_then_entry(const void *a, const void *b, void *ctx UNUSED)
{
    const struct apic_entry *x = a, *y = b;

    return sort_order(x->apic_id, y->apic_id) ?: sort_order(x->entry, y->entry);
}

/* Sorts the list and makes it unique: of two entries for one CPU the later counts, as in Linux. */
static int keep_apics(struct numa_builder *b, struct apic_entry *list, u32 count)
{
    struct numa_topology *t = b->t;
    u32 unique = 0;

    sort(list, count, sizeof(*list), by_id_then_entry, NULL);
    for (u32 i = 0; i < count; i++) {
        if (!unique || list[unique - 1].apic_id != list[i].apic_id) {
            list[unique++] = list[i];
            continue;
        }
        if (list[unique - 1].node != list[i].node) {
            firmware_finding(FW_SRAT_CPU_CONFLICT,
                             "entry %u puts APIC id 0x%x into node %d, entry %u into node %d",
                             list[unique - 1].entry, list[i].apic_id, list[unique - 1].node,
                             list[i].entry, list[i].node);
        }
        list[unique - 1] = list[i];
    }
    t->apics = numa_get(b, unique, sizeof(*t->apics));
    if (!t->apics)
        return -ENOMEM;
    t->apic_count = unique;
    for (u32 i = 0; i < unique; i++)
        t->apics[i] = (struct numa_apic){.apic_id = list[i].apic_id,
                                         .node = list[i].node,
                                         .entry = list[i].entry,
                                         .offset = list[i].offset};
    return 0;
}

int numa_number_nodes(struct numa_builder *b)
{
    const struct srat_records *r = b->in->srat;
    struct apic_entry *list;
    u32 count = 0, g = 0;
    int err = prepare(b);

    if (err)
        return err;
    list = numa_get(b, r->cpu_count, sizeof(*list));
    if (!list)
        return -ENOMEM;
    for (u32 c = 0; c < r->cpu_count; c++) {
        while (g < r->initiator_count && r->initiators[g].entry < r->cpus[c].entry)
            see_initiator(b, &r->initiators[g++]);
        see_cpu(b, &r->cpus[c], list, &count);
    }
    while (g < r->initiator_count)
        see_initiator(b, &r->initiators[g++]);
    for (u32 m = 0; m < r->mem_count; m++)
        see_memory(b, &r->mems[m]);
    err = keep_apics(b, list, count);
    numa_put(b, list, r->cpu_count, sizeof(*list));
    return err;
}
