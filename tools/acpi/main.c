/*
 * `perch acpi`: decodes a machine's raw ACPI tables with the kernel's own parsers, says what the
 * kernel would make of them, and what is wrong with them. docs/acpi-tool.md.
 *
 * Status: 0; 2 for bad input (one line on stderr, nothing on stdout); 3 when the output cannot be
 * written; 4 with --strict, when a finding is a failure.
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/acpi/dump.h"
#include "tools/acpi/emit.h"
#include "tools/acpi/machine.h"
#include "tools/acpi/text.h"

enum { STATUS_OK = 0, STATUS_USAGE = 2, STATUS_OUTPUT = 3, STATUS_FINDINGS = 4 };

static const char usage[] =
    "usage: perch acpi [--text] [--strict] DIR|FILE\n"
    "Decodes raw ACPI tables: a folder of them (SRAT.bin, SLIT.bin, APIC.bin and others, any\n"
    "subset; /sys/firmware/acpi/tables itself; srat.dat as `acpidump -b` names them), or the text\n"
    "of `acpidump` in one file. Prints one JSON object a line. docs/acpi-tool.md lists the\n"
    "objects, docs/firmware-checks.md the findings.\n"
    "  --text     prints it for a person to read\n"
    "  --strict   status 4 when a finding is a failure";

struct options {
    bool text, strict;
    const char *path;
};

static void print(const struct options *o, const struct acpi_machine *m, const struct dump *d)
{
    struct objects all = {0};

    if (o->text) {
        text_print(stdout, m, d, firmware_found());
        return;
    }
    emit_decisions(&all, m);
    emit_raw(&all, m, d);
    emit_findings(&all, firmware_found());
    objects_print(&all, stdout);
}

static int decode(const struct options *o)
{
    struct acpi_machine m;
    struct dump d;
    int status = dump_read(&d, o->path);

    if (status)
        return status;
    machine_read(&m, &d);
    print(o, &m, &d);
    machine_free(&m);
    dump_free(&d);
    if (fflush(stdout) || ferror(stdout)) {
        complain("stdout", "%s", strerror(errno));
        return STATUS_OUTPUT;
    }
    return o->strict && firmware_total(firmware_found(), FIRMWARE_FAIL) ? STATUS_FINDINGS
                                                                        : STATUS_OK;
}

int main(int argc, char **argv)
{
    struct options o = {0};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            puts(usage);
            return STATUS_OK;
        }
        if (strcmp(argv[i], "--text") == 0)
            o.text = true;
        else if (strcmp(argv[i], "--strict") == 0)
            o.strict = true;
        else if (argv[i][0] == '-' && argv[i][1])
            return complain(argv[i], "unknown option (./perch acpi --help)");
        else if (o.path)
            return complain(argv[i], "one folder or file is expected, and this is another");
        else
            o.path = argv[i];
    }
    if (!o.path) {
        fputs("perch acpi: expected a folder with tables, or the text of acpidump\n", stderr);
        return STATUS_USAGE;
    }
    return decode(&o);
}
