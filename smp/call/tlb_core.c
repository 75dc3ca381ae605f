/*
 * From address ranges to pages; see tlb_core.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/call/tlb_core.h"

#include "kernel/base/errno.h"
#include "kernel/base/print.h"

#define COUNT_MASK (PAGE_SIZE - 1)
static_assert(TLB_MAX_PAGES <= COUNT_MASK, "the page count fits below a page's address");

void tlb_plan_full(struct tlb_work *work)
{
    work->full = true;
    work->pages = 0;
    work->runs = 0;
}

/* False: that would be more than TLB_MAX_PAGES pages. */
static bool add_run(struct tlb_work *work, u64 start, u64 pages)
{
    u64 *last = work->runs ? &work->run[work->runs - 1] : NULL;

    if (pages > TLB_MAX_PAGES - work->pages)
        return false;
    work->pages += (u32)pages;
    if (last && (*last & ~COUNT_MASK) + (*last & COUNT_MASK) * PAGE_SIZE == start)
        *last += pages;
    else
        work->run[work->runs++] = start | pages;
    return true;
}

bool tlb_plan(struct tlb_work *work, const struct tlb_range *ranges, u32 n)
{
    work->full = false;
    work->pages = 0;
    work->runs = 0;
    for (u32 i = 0; i < n; i++) {
        u64 start = ranges[i].start & ~COUNT_MASK;

        if (ranges[i].end <= ranges[i].start)
            continue;
        /* The end of the last page of the address space is 0, so count from inside the range. */
        if (!add_run(work, start, (ranges[i].end - 1) / PAGE_SIZE - start / PAGE_SIZE + 1)) {
            tlb_plan_full(work);
            return true;
        }
    }
    return work->pages != 0;
}

int tlb_work_verify(const struct tlb_work *work)
{
    u32 pages = 0;

    for (u32 i = 0; i < work->runs && i < TLB_MAX_PAGES; i++)
        pages += (u32)(work->run[i] & COUNT_MASK);
    if (work->runs <= work->pages && work->pages <= TLB_MAX_PAGES && pages == work->pages &&
        !(work->full && work->pages))
        return 0;
    pr_err("tlb: plan of %u pages in %u runs holds %u%s", work->pages, work->runs, pages,
           work->full ? ", and everything" : "");
    return -EINVAL;
}
