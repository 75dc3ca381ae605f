/*
 * Part of the topology stage: HMAT and MSCT, and what the tables say about each other. Nothing
 * depends on it: a table that is wrong, or memory that is short, costs what it would have said.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/app/stages.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"
#include "kernel/platform/early_window.h"
#include "mm/numa_check.h"

static const void *table(struct boot_state *s, const char *sig, size_t *len)
{
    const void *data = NULL;

    if (!s->has_acpi || acpi_table_map(&s->acpi, &early_window, sig, 0, &data, len))
        return NULL;
    return data;
}

/* A copy, for the report: the window's mapping does not last. */
static bool read_hmat(struct boot_state *s)
{
    size_t len;
    const void *data = table(s, "HMAT", &len);
    void *copy = data ? memblock_zalloc(&s->mb, len, 64) : NULL;

    if (!copy) {
        if (data)
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
    data = table(s, "MSCT", &len);
    if (data && msct_check(data, len, &msct) == 0)
        c.msct = &msct;
    numa_check(&c, alloc);
}
