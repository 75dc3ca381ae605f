/*
 * Bounded reading of bytes that firmware wrote. Every table parser reads through these functions,
 * so no length, offset or count of a table is used before it is checked against the bytes that
 * exist. Values are little-endian, at any alignment.
 *
 * Pure; may be called from any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_READER_H
#define PERCH_ACPI_READER_H

#include "kernel/base/firmware.h"
#include "kernel/base/types.h"

struct acpi_bytes {
    const u8 *data;
    size_t len;
};

/* Copies size bytes at offset to dst; false, and dst is zeroed, when some are missing. */
bool acpi_read(struct acpi_bytes b, size_t offset, void *dst, size_t size);

/* Copies those of size bytes at offset that exist, zeroes the rest; returns how many exist. */
size_t acpi_read_short(struct acpi_bytes b, size_t offset, void *dst, size_t size);

/* Sum of all bytes, modulo 256: 0 for a table whose checksum is right (ACPI 6.5, 5.2.6). */
u8 acpi_sum(const void *data, size_t len);

/*
 * Walk over the entries of MADT or SRAT: each begins with a type and a length byte
 * (ACPI 6.5, 5.2.12 and 5.2.16).
 */
struct acpi_walk {
    struct acpi_bytes table;
    size_t next;
    u32 index;
    enum firmware_id broken;
    bool quiet;
};

struct acpi_entry {
    struct acpi_bytes bytes; /* the whole entry, type and length included */
    size_t offset;           /* in the table */
    u32 index;               /* position in the table, from 0 */
    u8 type;
};

/* first: offset of the first entry in the table; broken: the finding for a wrong length. */
void acpi_walk_begin(struct acpi_walk *w, struct acpi_bytes table, size_t first,
                     enum firmware_id broken);

/* The same without findings, for a first count of the entries. */
void acpi_walk_begin_quiet(struct acpi_walk *w, struct acpi_bytes table, size_t first);

/*
 * The next entry; false at the end. An entry of length 0 or 1, and one that reaches beyond the end
 * of the table, end the walk with a finding, because the next entry cannot be located. A single
 * byte at the end has no length: a finding too, but nothing is lost.
 */
bool acpi_walk_next(struct acpi_walk *w, struct acpi_entry *e);

/* Makes the finding that the table's last count bytes are too few for the head of an entry. */
void acpi_stray_bytes(const char *table, size_t offset, size_t count);

/* Makes the finding that an entry has a wrong length. */
void acpi_entry_length(enum firmware_id id, const struct acpi_entry *e, size_t needed);

#endif
