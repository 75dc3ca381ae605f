/*
 * What one shoot-down asks of each CPU: a few pages one by one, or everything. It promises that
 * every page of every range asked for is dropped, with as few instructions as that takes.
 *
 * One INVLPG for each page drops that page in whatever size the CPU holds it, and every entry of
 * the paging-structure caches, whatever their address (Intel SDM vol. 3, 4.10.4.1; AMD APM vol. 2,
 * 5.5.2, as long as EFER.TCE is clear, which Perch never sets). So one page is enough after a table
 * page was unlinked too.
 *
 * Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_CALL_TLB_CORE_H
#define PERCH_SMP_CALL_TLB_CORE_H

#include "kernel/base/types.h"

/* Above this a full flush is cheaper than the pages one by one. */
#define TLB_MAX_PAGES 33

struct tlb_range {
    u64 start, end; /* [start, end), widened to whole pages; empty where end <= start */
};

struct tlb_work {
    u32 pages; /* to drop one by one; 0: everything, or nothing */
    u32 runs;  /* of consecutive pages */
    bool full;
    u64 run[TLB_MAX_PAGES]; /* address of the first page | number of pages */
};

/*
 * Works out what n ranges ask for. *work keeps no pointer to them. False: nothing is to be dropped.
 */
bool tlb_plan(struct tlb_work *work, const struct tlb_range *ranges, u32 n);

/* Everything, whatever the ranges would be. */
void tlb_plan_full(struct tlb_work *work);

/* Checks a plan against itself; 0, or -EINVAL with a line. */
int tlb_work_verify(const struct tlb_work *work) MUST_CHECK;

#endif
