/*
 * A folder of raw ACPI tables, DIR/SIGNATURE.bin each. Promises whole tables: the signature is that
 * of the file's name, and the file is as long as its header says. Whether the checksum is right is
 * only noted (and reported as a finding), because that is firmware's matter and not the file's.
 * Hosted only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TOOLS_ACPI_DUMP_H
#define PERCH_TOOLS_ACPI_DUMP_H

#include "kernel/base/types.h"
#include "tools/complain.h"

/* The tables that are looked for; other files in the folder are left alone. */
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

/* 0; 2 when the folder or a table in it cannot be used, after one line on stderr. */
int dump_read(struct dump *d, const char *dir) MUST_CHECK;

void dump_free(struct dump *d);

/* "perch acpi: NAME: what", whole on one line whatever is in the names. Returns 2. */
#define complain(name, ...) complain_as("perch acpi", name, __VA_ARGS__)

#endif
