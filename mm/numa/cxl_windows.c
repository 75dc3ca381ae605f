/*
 * CXL windows and nodes; see mm/numa/cxl_windows.h.
 * SPDX-License-Identifier: MIT
 */
#include "mm/numa/cxl_windows.h"

#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/base/printf.h"

s32 cxl_window_node(const struct numa_topology *t, const struct cedt_window *w)
{
    for (u32 i = 0; t->from_srat && i < t->memory_count; i++)
        if (t->memory[i].start < w->base + w->size && w->base < t->memory[i].end)
            return t->memory[i].node;
    return NODE_NONE;
}

static void report_window(const struct numa_topology *t, const struct cedt_window *w)
{
    struct range r = {w->base, w->base + w->size};
    s32 node = cxl_window_node(t, w);
    char kinds[80], targets[160];
    size_t at = 0;

    for (u32 i = 0; i < w->ways; i++)
        at += kscnprintf(targets + at, sizeof(targets) - at, "%s%u", i ? "," : "", w->targets[i]);
    pr_info("CEDT: window " RANGE_FMT ": %u-way, %u bytes%s, bridges %s: %s", RANGE_ARG(r), w->ways,
            w->granularity, w->xor ? " (XOR)" : "", targets,
            cedt_restrictions_text(w->restrictions, kinds, sizeof(kinds)));
    if (node == NODE_NONE)
        firmware_finding(FW_CEDT_NO_SRAT,
                         "entry %u: window " RANGE_FMT " is in no SRAT entry: Linux invents a node",
                         w->entry, RANGE_ARG(r));
}

void cxl_windows_report(const struct numa_topology *t, const struct cedt_records *c)
{
    for (u32 i = 0; i < c->bridge_count; i++) {
        const struct cedt_bridge *b = &c->bridges[i];

        pr_info("CEDT: CXL host bridge %u: CXL %s, registers at 0x%llx", b->uid,
                b->version ? "2.0 or later" : "1.1", (ull)b->base);
    }
    for (u32 i = 0; i < c->window_count; i++)
        report_window(t, &c->windows[i]);
}
