/*
 * SRAT entries to records; see srat.h.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/srat.h"

#include "acpi/reader.h"
#include "acpi/tables.h"
#include "kernel/base/errno.h"
#include "kernel/base/print.h"

/* Copies the entry when its length is right for the type, else reports and counts it as dropped. */
static bool take_entry(struct srat_records *r, const struct acpi_entry *e, void *dst, size_t size,
                       bool exact)
{
    if (e->bytes.len == size || (!exact && e->bytes.len > size))
        return acpi_read(e->bytes, 0, dst, size);
    acpi_entry_length(FW_SRAT_ENTRY_LENGTH, e, size);
    r->dropped++;
    return false;
}

static void reserved(const struct acpi_entry *e, size_t at, u64 value)
{
    if (value)
        firmware_finding(FW_SRAT_RESERVED, "entry %u: reserved bits at offset 0x%zx are 0x%llx",
                         e->index, e->offset + at, (ull)value);
}

static void add_cpu(struct srat_records *r, struct srat_cpu cpu)
{
    r->disabled += !cpu.enabled;
    if (r->cpu_count < r->cpu_max)
        r->cpus[r->cpu_count++] = cpu;
    else
        r->no_room++;
}

/* 5.2.16.1; the three high domain bytes count from revision 2 on. */
static void parse_cpu(struct srat_records *r, const struct acpi_entry *e)
{
    struct acpi_srat_cpu c;
    u32 hi;

    if (!take_entry(r, e, &c, sizeof(c), true))
        return;
    reserved(e, 4, c.flags & ~ACPI_SRAT_ENABLED);
    hi = (u32)c.pxm_hi[0] | (u32)c.pxm_hi[1] << 8 | (u32)c.pxm_hi[2] << 16;
    add_cpu(r, (struct srat_cpu){
                   .apic_id = c.apic_id,
                   .pxm = c.pxm_lo | (r->revision >= 2 ? hi << 8 : 0),
                   .entry = e->index,
                   .offset = (u32)e->offset,
                   .enabled = c.flags & ACPI_SRAT_ENABLED,
               });
}

/* 5.2.16.3; always 32 bits of domain: the type came with revision 3. */
static void parse_x2apic(struct srat_records *r, const struct acpi_entry *e)
{
    struct acpi_srat_x2apic c;

    if (!take_entry(r, e, &c, sizeof(c), false))
        return;
    reserved(e, 2, c.reserved1);
    reserved(e, 12, c.flags & ~ACPI_SRAT_ENABLED);
    add_cpu(r, (struct srat_cpu){
                   .apic_id = c.apic_id,
                   .pxm = c.pxm,
                   .entry = e->index,
                   .offset = (u32)e->offset,
                   .enabled = c.flags & ACPI_SRAT_ENABLED,
                   .x2apic = true,
               });
}

/* 5.2.16.2 */
static void parse_memory(struct srat_records *r, const struct acpi_entry *e)
{
    struct acpi_srat_mem m;

    if (!take_entry(r, e, &m, sizeof(m), false))
        return;
    reserved(e, 28, m.flags & ~ACPI_SRAT_MEM_FLAGS);
    r->disabled += !(m.flags & SRAT_MEM_ENABLED);
    if (r->mem_count == r->mem_max) {
        r->no_room++;
        return;
    }
    r->mems[r->mem_count++] = (struct srat_mem){
        .base = m.base,
        .length = m.size,
        .pxm = r->revision >= 2 ? m.pxm : m.pxm & 0xff,
        .flags = m.flags,
        .entry = e->index,
    };
}

/* 5.2.16.6 and 5.2.16.7: a device that reads and writes memory, or a port; its domain counts. */
static void parse_initiator(struct srat_records *r, const struct acpi_entry *e)
{
    struct acpi_srat_initiator g;

    if (!take_entry(r, e, &g, sizeof(g), false))
        return;
    reserved(e, 24, g.flags & ~ACPI_SRAT_INITIATOR_FLAGS);
    r->disabled += !(g.flags & ACPI_SRAT_ENABLED);
    if (r->initiator_count == r->initiator_max) {
        r->no_room++;
        return;
    }
    r->initiators[r->initiator_count++] = (struct srat_initiator){
        .pxm = g.pxm,
        .entry = e->index,
        .enabled = g.flags & ACPI_SRAT_ENABLED,
        .port = e->type == ACPI_SRAT_PORT,
    };
}

static void parse_entry(struct srat_records *r, const struct acpi_entry *e)
{
    switch (e->type) {
    case ACPI_SRAT_CPU:
        parse_cpu(r, e);
        break;
    case ACPI_SRAT_MEMORY:
        parse_memory(r, e);
        break;
    case ACPI_SRAT_X2APIC:
        parse_x2apic(r, e);
        break;
    case ACPI_SRAT_INITIATOR:
    case ACPI_SRAT_PORT:
        parse_initiator(r, e);
        break;
    default:
        r->unknown_types++;
        if (e->type > ACPI_SRAT_LAST)
            firmware_finding(FW_SRAT_ENTRY_TYPE, "entry %u at offset 0x%zx is of unknown type %u",
                             e->index, e->offset, e->type);
    }
}

void srat_count(const void *table, size_t len, struct srat_records *r)
{
    struct acpi_walk w;
    struct acpi_entry e;

    r->cpu_max = r->mem_max = r->initiator_max = 0;
    acpi_walk_begin_quiet(&w, (struct acpi_bytes){table, len}, sizeof(struct acpi_srat));
    while (acpi_walk_next(&w, &e)) {
        r->cpu_max += e.type == ACPI_SRAT_CPU || e.type == ACPI_SRAT_X2APIC;
        r->mem_max += e.type == ACPI_SRAT_MEMORY;
        r->initiator_max += e.type == ACPI_SRAT_INITIATOR || e.type == ACPI_SRAT_PORT;
    }
}

int srat_parse(const void *table, size_t len, struct srat_records *r)
{
    struct acpi_bytes bytes = {table, len};
    struct acpi_srat head;
    struct acpi_walk w;
    struct acpi_entry e;

    r->cpu_count = r->mem_count = r->initiator_count = 0;
    r->entries = r->disabled = r->unknown_types = r->dropped = r->no_room = 0;
    r->revision = 0;
    if (!acpi_read(bytes, 0, &head, sizeof(head))) {
        firmware_finding(FW_SRAT_SHORT, "length %zu, needs %zu", len, sizeof(head));
        return -EINVAL;
    }
    r->revision = head.h.revision;
    if (head.reserved1 != 1)
        firmware_finding(FW_SRAT_RESERVED, "reserved field at offset 0x24 is %u, must be 1",
                         head.reserved1);
    acpi_walk_begin(&w, bytes, sizeof(head), FW_SRAT_ENTRY_CUT);
    while (acpi_walk_next(&w, &e))
        parse_entry(r, &e);
    r->entries = w.index;
    if (r->no_room)
        pr_warn("ACPI: SRAT: no room for %u entries", r->no_room);
    return 0;
}
