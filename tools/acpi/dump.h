/*
 * A machine's raw ACPI tables, in the forms in which people have them:
 *  - a folder with SRAT.bin and so on; or /sys/firmware/acpi/tables itself, or a copy of it (SRAT;
 *    SRAT1, SRAT2 when there are two; its folders data and dynamic are ignored); or what
 *    `acpidump -b` and `acpixtract` write (srat.dat). With several forms of a table the first of
 *    these counts.
 *  - the text of `acpidump`, one file.
 *
 * Promises whole tables: the signature is that of the name, and there are as many bytes as the
 * header says. Of two tables with one name the first is taken, and the second is a finding, as in
 * the kernel. Whether the checksum is right is only noted (and reported as a finding), because that
 * is firmware's matter and not the file's. tools/acpi_files.py reads the same forms.
 * Hosted only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TOOLS_ACPI_DUMP_H
#define PERCH_TOOLS_ACPI_DUMP_H

#include "kernel/base/types.h"
#include "tools/complain.h"

/* The tables that are looked for; others are left alone. */
enum dump_which {
    DUMP_FACP,
    DUMP_APIC,
    DUMP_SRAT,
    DUMP_SLIT,
    DUMP_HMAT,
    DUMP_MSCT,
    DUMP_CEDT,
    DUMP_SPCR,
    DUMP_DBG2,
    DUMP_COUNT,
};

struct dump_table {
    u8 *data; /* NULL: there is none */
    size_t len;
    bool usable; /* its checksum is right: the kernel would use it */
};

struct dump {
    struct dump_table t[DUMP_COUNT];
};

/* 0; 2 when the folder or file, or a table in it, cannot be used, after one line on stderr. */
int dump_read(struct dump *d, const char *path) MUST_CHECK;

void dump_free(struct dump *d);

/* ---- for dump*.c ----------------------------------------------------------------------------- */

/* Its signature. */
const char *dump_name(enum dump_which which);

/* The table of this signature (four characters); DUMP_COUNT: none that is looked for. */
enum dump_which dump_find(const char *sig);

/* Adds bytes to a table; no table grows much beyond what a parser takes. */
void dump_append(struct dump_table *t, const void *bytes, size_t count);

/* Is this the table that its name says (ACPI 6.5, 5.2.6)? label: for the line on stderr. */
int dump_check(struct dump_table *t, const char *label, const char *sig);

/* The finding that a second table of a kind is not used. */
void dump_second(enum dump_which which, const char *second, const char *first);

/* The text of acpidump. */
int dump_read_text(struct dump *d, const char *path);

/* "perch acpi: NAME: what", whole on one line whatever is in the names. Returns 2. */
#define complain(name, ...) complain_as("perch acpi", name, __VA_ARGS__)

#endif
