/*
 * A machine as the kernel would see it, from its raw tables: the kernel's own parsers and its own
 * topology, in the order of kernel/stages/acpi_stage.c, without a memory map and without a boot
 * CPU. Findings go to the collector of log.c. Hosted only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TOOLS_ACPI_MACHINE_H
#define PERCH_TOOLS_ACPI_MACHINE_H

#include "acpi/dbg2.h"
#include "acpi/spcr.h"
#include "mm/numa/cxl_windows.h"
#include "mm/numa/numa_check.h"
#include "tools/acpi/dump.h"

struct acpi_machine {
    bool has_madt; /* usable, with a header */
    struct madt_info madt;
    struct madt_cpu *cpus;   /* what the kernel keeps */
    struct madt_cpu *listed; /* every entry as it stands */
    u32 listed_count;
    struct srat_records srat;
    struct slit_view slit;
    struct numa_topology topo;
    struct hmat hmat; /* empty when there is none */
    struct cedt_records cedt;
    struct spcr_info spcr;
    struct dbg2_info dbg2;
    bool has_spcr, has_dbg2;
};

/*
 * Parses and decides. The dump stays the caller's, and must outlive *m: SLIT and HMAT point into
 * it.
 */
void machine_read(struct acpi_machine *m, const struct dump *d);

void machine_free(struct acpi_machine *m);

#endif
