/*
 * Part of the topology stage: HMAT, MSCT and CEDT, and checks of tables against each other. No
 * later stage needs it: a wrong table, or a lack of memory, costs only log lines.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/base/string.h"
#include "kernel/stages/stages.h"
#include "mm/numa/cxl_windows.h"
#include "mm/numa/numa_check.h"

/* Copies the table for the report: the early window's mapping ends with the stage. */
static bool read_hmat(struct boot_state *s)
{
    const void *data;
    size_t len;
    void *copy;

    if (!acpi_map_table(s, "HMAT", &data, &len))
        return false;
    copy = memblock_zalloc(&s->mb, len, 64);
    if (!copy) {
        pr_warn("HMAT: no memory for %zu bytes", len);
        return false;
    }
    memcpy(copy, data, len);
    if (hmat_check(copy, len, &s->hmat))
        return false;
    hmat_log(&s->hmat);
    return true;
}

void check_tables_agree(struct boot_state *s, const struct numa_input *in,
                        const struct numa_alloc *alloc)
{
    struct numa_check c = {.in = in, .topo = &s->topo};
    struct msct_info msct;
    const void *data;
    size_t len;

    if (read_hmat(s))
        c.hmat = &s->hmat;
    if (acpi_map_table(s, "MSCT", &data, &len) && msct_check(data, len, &msct) == 0)
        c.msct = &msct;
    numa_check(&c, alloc);
}

void cxl_list_windows(struct boot_state *s, const struct srat_records *srat)
{
    struct cedt_records r = {0};
    const void *data;
    size_t len;

    if (!acpi_map_table(s, "CEDT", &data, &len))
        return;
    cedt_count(data, len, &r);
    size_t bridges = r.bridge_max * sizeof(*r.bridges), windows = r.window_max * sizeof(*r.windows);

    r.bridges = boot_array(s, bridges);
    r.windows = boot_array(s, windows);
    if ((bridges && !r.bridges) || (windows && !r.windows))
        pr_warn("CEDT: no memory for its records");
    else if (cedt_parse(data, len, &r) == 0)
        cxl_windows_report(&s->topo, srat, &r);
    boot_array_free(s, r.windows, windows);
    boot_array_free(s, r.bridges, bridges);
}
