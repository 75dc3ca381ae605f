/*
 * The report's part about the first chunk.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu.h"
#include "kernel/base/printf.h"
#include "kernel/report/report.h"

/* Successive pages of a unit: contiguous in physical memory and on one node, or all not mapped. */
struct piece {
    bool mapped;
    u64 base, length;
    s32 node;
};

static struct piece page_at(struct boot_state *s, const struct pagetable *live, u64 va)
{
    u64 pa;

    if (pagetable_lookup(live, va, &pa, NULL, NULL))
        return (struct piece){false, 0, PAGE_SIZE, NODE_NONE};
    return (struct piece){true, pa, PAGE_SIZE, memblock_addr_nid(&s->mb, pa)};
}

static bool continues(const struct piece *p, const struct piece *page)
{
    if (!p->mapped || !page->mapped)
        return p->mapped == page->mapped;
    return p->base + p->length == page->base && p->node == page->node;
}

/* One object per piece; most units have one piece. */
static void unit(struct report *r, struct boot_state *s, u32 number, u32 group)
{
    const struct pcpu_first_chunk *fc = &s->first_chunk;
    struct pagetable live = pagetable_view(read_cr3(), &s->vm.src, true);
    u32 cpu = fc->unit_cpu[number], piece = 0;
    u64 va = (u64)pcpu_unit_addr(fc, cpu), off = 0;
    struct piece next = page_at(s, &live, va);

    while (off < fc->size_sum) {
        struct piece now = next;
        char base[24] = "null";

        for (off += PAGE_SIZE; off < fc->size_sum; off += PAGE_SIZE) {
            next = page_at(s, &live, va + off);
            if (!continues(&now, &next))
                break;
            now.length += PAGE_SIZE;
        }
        if (now.mapped)
            ksnprintf(base, sizeof(base), "%llu", (ull)now.base);
        report_object(r,
                      "\"type\":\"unit\",\"unit\":%u,\"group\":%u,\"cpu\":%u,\"apic\":%u,"
                      "\"node\":%s,\"offset\":%llu,\"piece\":%u,\"base\":%s,\"length\":%llu,"
                      "\"memory_node\":%s",
                      number, group, cpu, s->topo.cpus[cpu].apic_id,
                      report_node(s->topo.cpus[cpu].node).text, (ull)fc->unit_off[cpu], piece++,
                      base, (ull)now.length, report_node(now.node).text);
    }
}

/* first: number of the group's first unit. A large group takes several objects. */
static void group(struct report *r, const struct pcpu_first_chunk *fc, u32 number, u32 first)
{
    u32 i = 0;

    while (i < fc->group_units[number]) {
        struct report_list cpus = {0};
        u32 from = i;

        for (; i < fc->group_units[number]; i++) {
            u32 cpu = fc->unit_cpu[first + i];

            if (!report_list_add(&cpus, cpu != PCPU_NO_CPU, cpu))
                break;
        }
        report_object(r,
                      "\"type\":\"group\",\"group\":%u,\"units\":%u,\"offset\":%llu,\"first\":%u,"
                      "\"cpus\":[%s]",
                      number, fc->group_units[number], (ull)fc->group_offsets[number], from,
                      cpus.text);
    }
}

void report_percpu(struct report *r, struct boot_state *s)
{
    const struct pcpu_first_chunk *fc = &s->first_chunk;
    u32 first = 0;

    report_object(r,
                  "\"type\":\"percpu\",\"mode\":\"%s\",\"static\":%llu,\"reserved\":%llu,"
                  "\"dyn\":%llu,\"unit\":%llu,\"atom\":%llu,\"alloc\":%llu",
                  fc->embedded ? "embed" : "page",
                  (ull)(fc->static_area.end - fc->static_area.start),
                  (ull)(fc->reserved_area.end - fc->reserved_area.start),
                  (ull)(fc->dyn_area.end - fc->dyn_area.start), (ull)fc->unit_size,
                  (ull)fc->atom_size, (ull)fc->alloc_size);
    for (u32 g = 0; g < fc->nr_groups; g++) {
        group(r, fc, g, first);
        for (u32 i = 0; i < fc->group_units[g]; i++)
            if (fc->unit_cpu[first + i] != PCPU_NO_CPU)
                unit(r, s, first + i, g);
        first += fc->group_units[g];
    }
}
