/*
 * `perch acpi DIR`: decodes a machine's raw ACPI tables with the kernel's own parsers, says what
 * the kernel would make of them, and what is wrong with them. docs/acpi-tool.md.
 *
 * Status: 0, 2 for bad input (one line on stderr, nothing on stdout), 1 when the output cannot be
 * written.
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/acpi/dump.h"
#include "tools/acpi/emit.h"
#include "tools/acpi/machine.h"

static const char usage[] =
    "usage: perch acpi DIR\n"
    "Decodes the raw tables DIR/SRAT.bin, SLIT.bin, APIC.bin, HMAT.bin, SPCR.bin, DBG2.bin and\n"
    "others (any subset), as `acpidump -b` or /sys/firmware/acpi/tables give them: one JSON "
    "object\n"
    "a line. docs/acpi-tool.md lists the objects, docs/firmware-checks.md the findings.";

static int decode(const char *dir)
{
    struct objects all = {0};
    struct acpi_machine m;
    struct dump d;
    int status = dump_read(&d, dir);

    if (status)
        return status;
    machine_read(&m, &d);
    emit_decisions(&all, &m);
    emit_raw(&all, &m, &d);
    emit_findings(&all, firmware_found());
    objects_print(&all, stdout);
    machine_free(&m);
    dump_free(&d);
    if (fflush(stdout) || ferror(stdout)) {
        complain("stdout", "%s", strerror(errno));
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        puts(usage);
        return 0;
    }
    if (argc != 2) {
        fputs("perch acpi: expected one argument, the folder with the tables\n", stderr);
        return 2;
    }
    return decode(argv[1]);
}
