/*
 * Part of the topology stage: what the CEDT says about CXL, beside the nodes. Nothing depends on
 * it: a table that is wrong, or memory that is short, costs the list.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/app/stages.h"
#include "kernel/base/print.h"
#include "kernel/platform/early_window.h"
#include "mm/cxl_windows.h"
#include "mm/layout.h"

static void *array(struct boot_state *s, size_t size)
{
    return size ? memblock_zalloc(&s->mb, size, 64) : NULL;
}

static void give_back(struct boot_state *s, void *p, size_t size)
{
    if (p)
        memblock_give_back(&s->mb, virt_to_phys(p), size);
}

void stage_cxl(struct boot_state *s)
{
    struct cedt_records r = {0};
    const void *data;
    size_t len;

    if (!s->has_acpi || acpi_table_map(&s->acpi, &early_window, "CEDT", 0, &data, &len))
        return;
    cedt_count(data, len, &r);
    size_t bridges = r.bridge_max * sizeof(*r.bridges), windows = r.window_max * sizeof(*r.windows);

    r.bridges = array(s, bridges);
    r.windows = array(s, windows);
    if ((bridges && !r.bridges) || (windows && !r.windows))
        pr_warn("CEDT: no memory for its records");
    else if (cedt_parse(data, len, &r) == 0)
        cxl_windows_report(&s->topo, &r);
    give_back(s, r.windows, windows);
    give_back(s, r.bridges, bridges);
}
