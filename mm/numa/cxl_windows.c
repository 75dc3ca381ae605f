/*
 * CXL windows and nodes; see mm/numa/cxl_windows.h.
 * SPDX-License-Identifier: MIT
 */
#include "mm/numa/cxl_windows.h"

#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/base/printf.h"

#define COMPARED 64 /* earlier windows, so that a table of rubbish costs no time */

/*
 * The entries themselves are asked, as in Linux: the topology's memory also covers holes between
 * two ranges of a node.
 */
s32 cxl_window_node(const struct numa_topology *t, const struct srat_records *srat,
                    const struct cedt_window *w)
{
    for (u32 i = 0; t->from_srat && srat && i < srat->mem_count; i++) {
        const struct srat_mem *m = &srat->mems[i];

        if ((m->flags & SRAT_MEM_ENABLED) && m->base + m->length > m->base &&
            m->base < w->base + w->size && w->base < m->base + m->length)
            return numa_pxm_node(t, m->pxm);
    }
    return NODE_NONE;
}

/* Linux gives a window that overlaps an earlier one no node of its own. */
static bool overlaps_earlier(const struct cedt_records *c, u32 index)
{
    const struct cedt_window *w = &c->windows[index];

    for (u32 i = index - MIN(index, COMPARED); i < index; i++)
        if (c->windows[i].base < w->base + w->size &&
            w->base < c->windows[i].base + c->windows[i].size)
            return true;
    return false;
}

static void log_window(const struct cedt_window *w)
{
    struct range r = {w->base, w->base + w->size};
    char kinds[80], targets[160];
    size_t at = 0;

    for (u32 i = 0; i < w->ways; i++)
        at += kscnprintf(targets + at, sizeof(targets) - at, "%s%u", i ? "," : "", w->targets[i]);
    pr_info("CEDT: window " RANGE_FMT ": %u-way, %u bytes%s, bridges %s: %s", RANGE_ARG(r), w->ways,
            w->granularity, w->xor ? " (XOR)" : "", targets,
            cedt_restrictions_text(w->restrictions, kinds, sizeof(kinds)));
}

/* A window in no SRAT entry. *next: the number of the next node that Linux makes. */
static void report_unlisted(const struct numa_topology *t, const struct cedt_records *c, u32 index,
                            u32 *next)
{
    const struct cedt_window *w = &c->windows[index];
    struct range r = {w->base, w->base + w->size};

    if (!t->from_srat)
        firmware_finding(FW_CEDT_NO_SRAT,
                         "entry %u: window " RANGE_FMT ": without a usable SRAT it has no node, in "
                         "Linux either",
                         w->entry, RANGE_ARG(r));
    else if (overlaps_earlier(c, index))
        firmware_finding(FW_CEDT_NO_SRAT,
                         "entry %u: window " RANGE_FMT " is in no SRAT entry: Linux gives it the "
                         "node of an earlier window",
                         w->entry, RANGE_ARG(r));
    else
        firmware_finding(FW_CEDT_NO_SRAT,
                         "entry %u: window " RANGE_FMT " is in no SRAT entry: Linux makes it node "
                         "%u",
                         w->entry, RANGE_ARG(r), (*next)++);
}

void cxl_windows_report(const struct numa_topology *t, const struct srat_records *srat,
                        const struct cedt_records *c)
{
    u32 next = t->node_count;

    for (u32 i = 0; i < c->bridge_count; i++) {
        const struct cedt_bridge *b = &c->bridges[i];

        pr_info("CEDT: CXL host bridge %u: CXL %s, registers at 0x%llx", b->uid,
                b->version ? "2.0 or later" : "1.1", (ull)b->base);
    }
    for (u32 i = 0; i < c->window_count; i++) {
        log_window(&c->windows[i]);
        if (cxl_window_node(t, srat, &c->windows[i]) == NODE_NONE)
            report_unlisted(t, c, i, &next);
    }
}
