/*
 * A machine in words and columns; see text.h.
 * SPDX-License-Identifier: MIT
 */
#include "tools/acpi/text.h"

#include <stdlib.h>
#include <string.h>

#include "tools/acpi/objects.h"

#define MATRIX_NODES 32 /* a wider matrix fits no screen */
#define LINE_IDS     10 /* APIC ids, or ranges of them, on a line */

/* "12 GiB": whole MiB from there on, else KiB. */
static void put_size(FILE *to, u64 bytes)
{
    if (bytes % SZ_1G == 0 && bytes)
        fprintf(to, "%llu GiB", (unsigned long long)(bytes / SZ_1G));
    else if (bytes >= SZ_1M)
        fprintf(to, "%llu MiB", (unsigned long long)(bytes / SZ_1M));
    else
        fprintf(to, "%llu KiB", (unsigned long long)(bytes / SZ_1K));
}

/* ---- CPUs ------------------------------------------------------------------------------------ */

struct cpu_list {
    struct cpu_place {
        u32 apic_id;
        s32 node;
    } * c;
    u32 count;
};

static int by_node_then_id(const void *a, const void *b)
{
    const struct cpu_place *x = a, *y = b;

    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    return x->apic_id < y->apic_id ? -1 : x->apic_id > y->apic_id;
}

/* Enabled CPUs by node. Without a MADT, those of the SRAT; without an SRAT, all on node 0. */
static struct cpu_list cpus_of(const struct acpi_machine *m)
{
    const struct numa_topology *t = &m->topo;
    struct cpu_list l = {must_calloc(m->madt.cpu_count + t->apic_count, sizeof(*l.c)), 0};

    for (u32 i = 0; m->has_madt && i < m->madt.cpu_count; i++)
        if (m->cpus[i].enabled)
            l.c[l.count++] = (struct cpu_place){
                m->cpus[i].apic_id, t->from_srat ? numa_apic_node(t, m->cpus[i].apic_id) : 0};
    for (u32 i = 0; !m->has_madt && i < t->apic_count; i++)
        l.c[l.count++] = (struct cpu_place){t->apics[i].apic_id, t->apics[i].node};
    if (l.count)
        qsort(l.c, l.count, sizeof(*l.c), by_node_then_id);
    return l;
}

static u32 count_on(const struct cpu_list *l, s32 node)
{
    u32 n = 0;

    for (u32 i = 0; i < l->count; i++)
        n += l->c[i].node == node;
    return n;
}

/* "    APIC ids 0x00-0x0f 0x20 ...", wrapped. */
static void put_ids(FILE *to, const struct cpu_list *l, s32 node)
{
    u32 shown = 0;

    for (u32 i = 0, next; i < l->count; i = next) {
        next = i + 1;
        if (l->c[i].node != node)
            continue;
        while (next < l->count && l->c[next].node == node &&
               l->c[next].apic_id == l->c[next - 1].apic_id + 1)
            next++;
        if (shown++ % LINE_IDS == 0)
            fputs(shown == 1 ? "    APIC ids" : "\n            ", to);
        fprintf(to, " 0x%02x", l->c[i].apic_id);
        if (next - i > 1)
            fprintf(to, "-0x%02x", l->c[next - 1].apic_id);
    }
    if (shown)
        fputc('\n', to);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void put_tables(FILE *to, const struct dump *d)
{
    fputs("tables:", to);
    for (int i = 0; i < DUMP_COUNT; i++)
        if (d->t[i].data)
            fprintf(to, " %s%s", dump_name((enum dump_which)i),
                    d->t[i].usable ? "" : " (wrong checksum)");
    fputc('\n', to);
}

static void put_node(FILE *to, const struct acpi_machine *m, const struct cpu_list *l, u32 node)
{
    const struct numa_topology *t = &m->topo;

    fprintf(to, "\nnode %u (domain %u): %u CPUs, ", node, t->nodes[node].pxm,
            count_on(l, (s32)node));
    if (t->nodes[node].ram_bytes)
        put_size(to, t->nodes[node].ram_bytes);
    else
        fputs(t->from_srat ? "no memory" : "memory unknown", to);
    fputc('\n', to);
    put_ids(to, l, (s32)node);
    for (u32 i = 0; i < t->memory_count; i++) {
        const struct numa_memory *r = &t->memory[i];

        if (r->node != (s32)node)
            continue;
        fprintf(to, "    [mem 0x%09llx-0x%09llx] ", (unsigned long long)r->start,
                (unsigned long long)r->end - 1);
        put_size(to, r->end - r->start);
        fprintf(to, "%s%s\n", r->hotplug ? ", hot-pluggable" : "",
                r->nonvolatile ? ", non-volatile" : "");
    }
}

static void put_nodes(FILE *to, const struct acpi_machine *m)
{
    const struct numa_topology *t = &m->topo;
    struct cpu_list l = cpus_of(m);
    u32 lost = count_on(&l, NODE_NONE);

    if (t->from_srat)
        fprintf(to, "%u node%s, %u CPUs\n", t->node_count, t->node_count == 1 ? "" : "s", l.count);
    else
        fprintf(to, "one node (%s), %u CPUs\n", t->reason, l.count);
    for (u32 i = 0; i < t->node_count; i++)
        put_node(to, m, &l, i);
    if (lost) {
        fprintf(to, "\nin no SRAT entry: %u CPUs\n", lost);
        put_ids(to, &l, NODE_NONE);
    }
    free(l.c);
}

static void put_distances(FILE *to, const struct numa_topology *t)
{
    fprintf(to, "\ndistances, from row to column (%s):\n",
            t->distance_source == NUMA_DISTANCE_SLIT ? "SLIT" : "assumed, without a SLIT");
    if (t->node_count > MATRIX_NODES) {
        fprintf(to, "    %u x %u: too wide, without --text they are listed\n", t->node_count,
                t->node_count);
        return;
    }
    fputs("    node", to);
    for (u32 b = 0; b < t->node_count; b++)
        fprintf(to, " %3u", b);
    fputc('\n', to);
    for (u32 a = 0; a < t->node_count; a++) {
        fprintf(to, "    %3u:", a);
        for (u32 b = 0; b < t->node_count; b++)
            fprintf(to, " %3u", numa_distance(t, (s32)a, (s32)b));
        fputc('\n', to);
    }
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void put_port(FILE *to, const char *table, const struct acpi_uart *u)
{
    fprintf(to, "\nserial port of %s: ", table);
    if (u->verdict == ACPI_UART_OK && u->any)
        fprintf(to, "memory 0x%llx, a register every 1 or 4 bytes: the boot tries both",
                (unsigned long long)u->gas.address);
    else if (u->verdict == ACPI_UART_OK && u->mmio)
        fprintf(to, "memory 0x%llx, a register every %u bytes", (unsigned long long)u->gas.address,
                u->stride);
    else if (u->verdict == ACPI_UART_OK)
        fprintf(to, "port 0x%llx", (unsigned long long)u->gas.address);
    else
        fputs(acpi_uart_verdict_text(u->verdict), to);
    if (u->baud)
        fprintf(to, ", %u baud", u->baud);
    fputc('\n', to);
}

static void put_others(FILE *to, const struct acpi_machine *m)
{
    for (u32 i = 0; i < m->cedt.window_count; i++) {
        const struct cedt_window *w = &m->cedt.windows[i];

        fprintf(to, "%sCXL window [mem 0x%09llx-0x%09llx] ", i ? "" : "\n",
                (unsigned long long)w->base, (unsigned long long)(w->base + w->size - 1));
        put_size(to, w->size);
        fputc('\n', to);
    }
    if (m->has_spcr)
        put_port(to, "SPCR", &m->spcr.uart);
    for (u32 i = 0; m->has_dbg2 && i < m->dbg2.count; i++)
        put_port(to, "DBG2", &m->dbg2.ports[i]);
}

static void put_findings(FILE *to, const struct firmware_findings *f, enum firmware_class class)
{
    static const char words[FIRMWARE_NR_CLASSES][5] = {"FAIL", "WARN", "INFO"};

    for (u32 i = 0; i < f->nr_kept; i++)
        if (firmware_kind(f->kept[i].id)->class == class)
            fprintf(to, "    %s %s: %s: %s\n", words[class], firmware_kind(f->kept[i].id)->id,
                    f->kept[i].table, f->kept[i].text);
    for (u32 id = 0; id < FIRMWARE_NR_IDS; id++)
        if (f->count[id] > f->shown[id] && firmware_kind(id)->class == class)
            fprintf(to, "    %s %s: %u more of the same\n", words[class], firmware_kind(id)->id,
                    f->count[id] - f->shown[id]);
}

void text_print(FILE *to, const struct acpi_machine *m, const struct dump *d,
                const struct firmware_findings *found)
{
    put_tables(to, d);
    put_nodes(to, m);
    put_distances(to, &m->topo);
    put_others(to, m);
    fprintf(to, "\nfindings: %u fail, %u warn, %u info\n", firmware_total(found, FIRMWARE_FAIL),
            firmware_total(found, FIRMWARE_WARN), firmware_total(found, FIRMWARE_INFO));
    put_findings(to, found, FIRMWARE_FAIL);
    put_findings(to, found, FIRMWARE_WARN);
    put_findings(to, found, FIRMWARE_INFO);
    if (found->nr_kept)
        fputs("docs/firmware-checks.md says what each means, and what to do.\n", to);
}
