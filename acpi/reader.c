/*
 * Bounded reading of firmware's bytes; see reader.h.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/reader.h"

#include "kernel/base/string.h"

bool acpi_read(struct acpi_bytes b, size_t offset, void *dst, size_t size)
{
    if (offset > b.len || size > b.len - offset) {
        memset(dst, 0, size);
        return false;
    }
    memcpy(dst, b.data + offset, size);
    return true;
}

size_t acpi_read_short(struct acpi_bytes b, size_t offset, void *dst, size_t size)
{
    size_t there = offset < b.len ? MIN(size, b.len - offset) : 0;

    memset(dst, 0, size);
    if (there)
        memcpy(dst, b.data + offset, there);
    return there;
}

u8 acpi_sum(const void *data, size_t len)
{
    const u8 *p = data;
    u8 sum = 0;

    for (size_t i = 0; i < len; i++)
        sum = (u8)(sum + p[i]);
    return sum;
}

void acpi_walk_begin(struct acpi_walk *w, struct acpi_bytes table, size_t first,
                     enum firmware_id broken)
{
    *w = (struct acpi_walk){.table = table, .next = first, .broken = broken};
}

void acpi_walk_begin_quiet(struct acpi_walk *w, struct acpi_bytes table, size_t first)
{
    *w = (struct acpi_walk){.table = table, .next = first, .quiet = true};
}

void acpi_stray_bytes(const char *table, size_t offset, size_t count)
{
    if (count == 1)
        firmware_finding_in(FW_TABLE_STRAY_BYTES, table,
                            "one stray byte at the end, at offset 0x%zx: no entry is lost", offset);
    else
        firmware_finding_in(FW_TABLE_STRAY_BYTES, table,
                            "%zu stray bytes at the end, at offset 0x%zx: no entry is lost", count,
                            offset);
}

/* Ends the walk at a byte that is too little for an entry. */
static bool walk_stray(struct acpi_walk *w)
{
    if (!w->quiet)
        acpi_stray_bytes(firmware_kind(w->broken)->table, w->next, w->table.len - w->next);
    w->next = w->table.len;
    return false;
}

/* Ends the walk with a finding. */
static bool walk_broken(struct acpi_walk *w, u8 length)
{
    size_t left = w->table.len - w->next;

    if (!w->quiet && length < 2)
        firmware_finding(w->broken,
                         "entry %u at offset 0x%zx length %u, the rest of the table is ignored",
                         w->index, w->next, length);
    else if (!w->quiet)
        firmware_finding(w->broken, "entry %u at offset 0x%zx length %u, only %zu bytes are left",
                         w->index, w->next, length, left);
    w->next = w->table.len;
    return false;
}

bool acpi_walk_next(struct acpi_walk *w, struct acpi_entry *e)
{
    u8 head[2];

    if (w->next >= w->table.len)
        return false;
    if (!acpi_read(w->table, w->next, head, sizeof(head)))
        return walk_stray(w);
    if (head[1] < sizeof(head) || head[1] > w->table.len - w->next)
        return walk_broken(w, head[1]);
    *e = (struct acpi_entry){
        .bytes = {w->table.data + w->next, head[1]},
        .offset = w->next,
        .index = w->index,
        .type = head[0],
    };
    w->next += head[1];
    w->index++;
    return true;
}

void acpi_entry_length(enum firmware_id id, const struct acpi_entry *e, size_t needed)
{
    firmware_finding(id, "entry %u at offset 0x%zx length %zu, needs %zu", e->index, e->offset,
                     e->bytes.len, needed);
}
