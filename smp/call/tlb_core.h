/*
 * The plan of one shoot-down: which pages each CPU drops one by one, or that it drops everything.
 * Promises that every page of every range is dropped, by as few instructions as possible.
 *
 * One INVLPG drops the translation of its page, whatever page size the CPU has cached, and all
 * entries of the paging-structure caches, whatever their address (Intel SDM vol. 3, 4.10.4.1; AMD
 * APM vol. 2, 5.5.2, while EFER.TCE is clear; Perch never sets it). So one INVLPG is enough even
 * after a table page was unlinked.
 *
 * Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_CALL_TLB_CORE_H
#define PERCH_SMP_CALL_TLB_CORE_H

#include "kernel/base/types.h"

/* For more pages a full flush is cheaper than INVLPG for each. */
#define TLB_MAX_PAGES 33

struct tlb_range {
    u64 start, end; /* [start, end), widened to whole pages; empty where end <= start */
};

struct tlb_work {
    u32 pages; /* pages to drop one by one; 0: everything, or nothing */
    u32 runs;  /* runs of consecutive pages */
    bool full;
    u64 run[TLB_MAX_PAGES]; /* address of the first page | number of pages */
};

/* Plans the drop of n ranges. *work keeps no pointer to them. False: there is nothing to drop. */
bool tlb_plan(struct tlb_work *work, const struct tlb_range *ranges, u32 n);

/* Plans to drop everything. */
void tlb_plan_full(struct tlb_work *work);

/* For tests: checks that a plan is consistent. 0; -EINVAL after a log line. */
int tlb_work_verify(const struct tlb_work *work) MUST_CHECK;

#endif
