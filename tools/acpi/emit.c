/*
 * Records to JSON objects; see emit.h.
 * SPDX-License-Identifier: MIT
 */
#include "tools/acpi/emit.h"

typedef unsigned long long ull;

struct node_text {
    char text[12];
};

static struct node_text node_or_null(s32 node)
{
    struct node_text t = {"null"};

    if (node != NODE_NONE)
        snprintf(t.text, sizeof(t.text), "%d", node);
    return t;
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

/* ---- decisions ------------------------------------------------------------------------------- */

static void add_cpu(struct objects *all, const struct acpi_machine *m, const struct madt_cpu *c)
{
    /* Nobody has this id, whatever the SRAT says about it. */
    bool nobody = c->apic_id == (c->x2apic ? 0xffffffff : 0xff);
    s32 node = nobody ? NODE_NONE : numa_apic_node(&m->topo, c->apic_id);

    objects_add(all, "cpu", c->apic_id, ",\"apic\":%u,\"uid\":%u,\"node\":%s,\"enabled\":%s",
                c->apic_id, c->uid, node_or_null(node).text, truth(c->enabled));
}

/* Enabled CPUs once each; disabled entries all of them. Without a MADT, what the SRAT lists. */
static void cpus(struct objects *all, const struct acpi_machine *m)
{
    const struct numa_topology *t = &m->topo;

    for (u32 i = 0; m->has_madt && i < m->madt.cpu_count; i++)
        if (m->cpus[i].enabled)
            add_cpu(all, m, &m->cpus[i]);
    for (u32 i = 0; m->has_madt && i < m->listed_count; i++)
        if (!m->listed[i].enabled)
            add_cpu(all, m, &m->listed[i]);
    for (u32 i = 0; !m->has_madt && i < t->apic_count; i++)
        objects_add(all, "cpu", t->apics[i].apic_id,
                    ",\"apic\":%u,\"uid\":null,\"node\":%s,\"enabled\":true", t->apics[i].apic_id,
                    node_or_null(t->apics[i].node).text);
}

void emit_decisions(struct objects *all, const struct acpi_machine *m)
{
    const struct numa_topology *t = &m->topo;
    const char *source = t->distance_source == NUMA_DISTANCE_SLIT ? "slit" : "default";

    for (u32 i = 0; i < t->node_count; i++)
        objects_add(all, "node", i, ",\"node\":%u,\"pxm\":%u", i, t->nodes[i].pxm);
    cpus(all, m);
    for (u32 i = 0; i < t->memory_count; i++)
        objects_add(all, "memory", t->memory[i].start,
                    ",\"base\":%llu,\"length\":%llu,\"node\":%d,\"hotplug\":%s,"
                    "\"nonvolatile\":%s",
                    (ull)t->memory[i].start, (ull)(t->memory[i].end - t->memory[i].start),
                    t->memory[i].node, truth(t->memory[i].hotplug),
                    truth(t->memory[i].nonvolatile));
    for (u32 a = 0; a < t->node_count; a++)
        for (u32 b = 0; b < t->node_count; b++)
            objects_add(all, "distance", a, ",\"from\":%u,\"to\":%u,\"value\":%u,\"source\":\"%s\"",
                        a, b, numa_distance(t, (s32)a, (s32)b), source);
}

/* ---- raw ------------------------------------------------------------------------------------- */

static s32 node_of(const struct acpi_machine *m, u32 pxm, bool enabled)
{
    return enabled ? numa_pxm_node(&m->topo, pxm) : NODE_NONE;
}

static void srat(struct objects *all, const struct acpi_machine *m)
{
    const struct srat_records *r = &m->srat;

    for (u32 i = 0; i < r->cpu_count; i++) {
        const struct srat_cpu *c = &r->cpus[i];

        objects_add(all, "srat-cpu", c->apic_id,
                    ",\"apic\":%u,\"pxm\":%u,\"node\":%s,\"enabled\":%s", c->apic_id, c->pxm,
                    node_or_null(node_of(m, c->pxm, c->enabled)).text, truth(c->enabled));
    }
    for (u32 i = 0; i < r->mem_count; i++) {
        const struct srat_mem *e = &r->mems[i];
        bool enabled = e->flags & SRAT_MEM_ENABLED;

        objects_add(all, "srat-memory", e->base,
                    ",\"base\":%llu,\"length\":%llu,\"pxm\":%u,\"node\":%s,\"enabled\":%s,"
                    "\"hotplug\":%s,\"nonvolatile\":%s",
                    (ull)e->base, (ull)e->length, e->pxm,
                    node_or_null(node_of(m, e->pxm, enabled)).text, truth(enabled),
                    truth(e->flags & SRAT_MEM_HOTPLUG), truth(e->flags & SRAT_MEM_NON_VOLATILE));
    }
}

/* The matrix as it stands, a refused one too, unless it is cut off. */
static void slit(struct objects *all, const struct slit_view *v, const struct dump_table *t)
{
    const u8 *matrix = t->data + v->matrix_offset;
    FILE *f;

    if (!t->data || !v->stated_n || v->needed > t->len)
        return;
    f = objects_begin(all, "slit", v->stated_n);
    fprintf(f, ",\"n\":%llu,\"rows\":[", (ull)v->stated_n);
    for (u64 a = 0; a < v->stated_n; a++) {
        fputs(a ? ",[" : "[", f);
        for (u64 b = 0; b < v->stated_n; b++)
            fprintf(f, "%s%u", b ? "," : "", matrix[a * v->stated_n + b]);
        fputc(']', f);
    }
    fputc(']', f);
    objects_end(all);
}

/* One object for each initiator: a row of the matrix. */
static void locality(struct objects *all, u32 structure, const struct hmat_locality *l)
{
    const char *unit = hmat_is_latency(l->data) ? "ns" : "MB/s";

    for (u32 i = 0; i < l->initiators; i++) {
        FILE *f = objects_begin(all, "hmat", structure);

        fprintf(f,
                ",\"structure\":%u,\"data\":\"%s\",\"unit\":\"%s\",\"hierarchy\":%u,"
                "\"initiator\":%u,\"targets\":[",
                structure, hmat_data_id(l->data), unit, l->hierarchy, hmat_initiator(l, i));
        for (u32 t = 0; t < l->targets; t++)
            fprintf(f, "%s%u", t ? "," : "", hmat_target(l, t));
        fputs("],\"values\":[", f);
        for (u32 t = 0; t < l->targets; t++) {
            u32 value = hmat_value(l, i, t);

            fputs(t ? "," : "", f);
            if (value)
                fprintf(f, "%u", value);
            else
                fputs("null", f);
        }
        fputc(']', f);
        objects_end(all);
    }
}

static void attached(struct objects *all, u32 structure, const struct hmat_proximity *p)
{
    FILE *f = objects_begin(all, "hmat", structure);

    fprintf(f, ",\"structure\":%u,\"data\":\"attached-initiator\",\"memory\":", structure);
    if (p->has_memory)
        fprintf(f, "%u,\"initiator\":", p->memory);
    else
        fputs("null,\"initiator\":", f);
    if (p->has_initiator)
        fprintf(f, "%u", p->initiator);
    else
        fputs("null", f);
    objects_end(all);
}

static void cache(struct objects *all, const struct hmat_cache *c)
{
    objects_add(all, "cache", c->memory,
                ",\"pxm\":%u,\"size\":%llu,\"levels\":%u,\"level\":%u,\"associativity\":\"%s\","
                "\"policy\":\"%s\",\"line\":%u",
                c->memory, (ull)c->size, c->levels, c->level,
                hmat_associativity_id(c->associativity), hmat_policy_id(c->policy), c->line);
}

static void hmat(struct objects *all, const struct hmat *h)
{
    struct hmat_walk w;
    struct hmat_item item;

    hmat_walk_begin(&w, h);
    while (hmat_walk_next(&w, &item)) {
        if (item.type == HMAT_LOCALITY)
            locality(all, item.index, &item.locality);
        else if (item.type == HMAT_CACHE)
            cache(all, &item.cache);
        else
            attached(all, item.index, &item.proximity);
    }
}

static void windows(struct objects *all, const struct acpi_machine *m)
{
    for (u32 i = 0; i < m->cedt.window_count; i++) {
        const struct cedt_window *w = &m->cedt.windows[i];
        char kinds[80];

        objects_add(all, "cxl-window", w->base,
                    ",\"base\":%llu,\"length\":%llu,\"node\":%s,\"ways\":%u,\"granularity\":%u,"
                    "\"restrictions\":\"%s\"",
                    (ull)w->base, (ull)w->size,
                    node_or_null(cxl_window_node(&m->topo, &m->srat, w)).text, w->ways,
                    w->granularity, cedt_restrictions_text(w->restrictions, kinds, sizeof(kinds)));
    }
}

static void console(struct objects *all, u32 index, const char *table, const struct acpi_uart *u)
{
    FILE *f = objects_begin(all, "console", index);

    fprintf(f,
            ",\"index\":%u,\"table\":\"%s\",\"usable\":%s,\"interface\":%u,\"space\":%u,"
            "\"address\":%llu",
            index, table, truth(u->verdict == ACPI_UART_OK), u->type, u->gas.space,
            (ull)u->gas.address);
    if (u->verdict == ACPI_UART_OK)
        fprintf(f, ",\"mmio\":%s", truth(u->mmio));
    if (u->verdict == ACPI_UART_OK && u->any)
        fputs(",\"width\":null,\"stride\":null", f);
    else if (u->verdict == ACPI_UART_OK)
        fprintf(f, ",\"width\":%u,\"stride\":%u", u->width, u->stride);
    if (u->baud)
        fprintf(f, ",\"baud\":%u", u->baud);
    else
        fputs(",\"baud\":null", f);
    fputs(",\"text\":\"", f);
    put_json(f, acpi_uart_verdict_text(u->verdict));
    if (u->verdict == ACPI_UART_OK && u->any)
        fputs("; stride 1 or 4: the boot tries both", f);
    fputc('"', f);
    objects_end(all);
}

void emit_raw(struct objects *all, const struct acpi_machine *m, const struct dump *d)
{
    u32 index = 0;

    srat(all, m);
    slit(all, &m->slit, &d->t[DUMP_SLIT]);
    hmat(all, &m->hmat);
    windows(all, m);
    if (m->has_spcr)
        console(all, index++, "SPCR", &m->spcr.uart);
    for (u32 i = 0; m->has_dbg2 && i < m->dbg2.count; i++)
        console(all, index++, "DBG2", &m->dbg2.ports[i]);
}

/* ---- findings -------------------------------------------------------------------------------- */

/* more: how many others of its id it stands for; its only number. */
static FILE *finding(struct objects *all, enum firmware_id id, u32 more, const char *table,
                     const char *text)
{
    FILE *f = objects_begin(all, "firmware", more);

    fprintf(f, ",\"severity\":\"%s\",\"id\":\"%s\",\"table\":\"", firmware_severity(id),
            firmware_kind(id)->id);
    put_json(f, table);
    fputs("\",\"text\":\"", f);
    put_json(f, text);
    fputc('"', f);
    return f;
}

void emit_findings(struct objects *all, const struct firmware_findings *found)
{
    for (u32 i = 0; i < found->nr_kept; i++) {
        finding(all, found->kept[i].id, 0, found->kept[i].table, found->kept[i].text);
        objects_end(all);
    }
    for (u32 id = 0; id < FIRMWARE_NR_IDS; id++) {
        u32 more = found->count[id] - found->shown[id];

        if (!more)
            continue;
        fprintf(finding(all, id, more, firmware_kind(id)->table, "more of the same, only counted"),
                ",\"count\":%u", more);
        objects_end(all);
    }
}
