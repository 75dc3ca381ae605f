/*
 * TLB shoot-down: every online CPU drops its cached translations of some addresses. A call that
 * returns 0 promises this: a translation that was gone from the page tables when the call began is
 * never used again by any CPU. So the pages behind it, and table pages, may be given to another
 * user. A CPU that is parked or not yet started is not waited for: it flushes before it touches
 * anything (smp/run/park_core.h has the argument, docs/adr/0007 the references).
 *
 * The requests are separate from those of smp/call/call.h and have their own vector. They take no
 * lock; several CPUs may shoot down at the same time, and each serves the others while it waits. A
 * CPU that does not answer the interrupt gets an NMI, whose handler flushes and answers. So a CPU
 * that keeps interrupts off can delay a shoot-down but not make it fail.
 *
 * Page tables and the set of CPUs that must drop them:
 *  - who writes: the caller the page tables, before the call; a CPU its bit in the online set, and
 *    then flushes, before it touches what may have changed;
 *  - who reads: the caller the online set; every walker the page tables;
 *  - which order: a full fence lies between the caller's stores and its read of the set, and the
 *    CPU enters by a locked instruction before its flush. So it is in the set and is asked, or its
 *    flush comes after the change.
 *
 * Context: thread context on an online CPU, interrupts on. This is asserted: with interrupts off
 * two CPUs could wait for each other. The caller holds no lock that another CPU may wait for with
 * interrupts off. Nothing allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_CALL_TLB_H
#define PERCH_SMP_CALL_TLB_H

#include "kernel/base/errno.h"
#include "smp/call/call_hw.h"
#include "smp/call/tlb_core.h"

/*
 * Drops n ranges on all CPUs with one round of interrupts: up to TLB_MAX_PAGES pages one by one,
 * else everything. Store the page-table entries first, then call. The array is not used after the
 * call. 0, also when all ranges are empty; -ETIMEDOUT: a CPU, named in a log line, answered neither
 * the interrupt nor an NMI and may still use the old translations. Then the pages must never be
 * used again (quarantine).
 */
int tlb_shootdown_ranges(const struct tlb_range *ranges, u32 n) MUST_CHECK;

/* For tests: the same for the one range [start, end). */
int tlb_shootdown(u64 start, u64 end) MUST_CHECK;

/* Drops everything, global translations and paging-structure caches too. Errors as above. */
int tlb_shootdown_all(void) MUST_CHECK;

struct tlb_stats {
    u64 shootdowns;  /* calls that had something to drop */
    u64 pages;       /* pages dropped one by one */
    u64 full;        /* calls that dropped everything */
    u64 remote;      /* calls that interrupted other CPUs */
    u64 nmi_rescues; /* requests answered from an NMI */
    u64 failures;    /* calls that returned -ETIMEDOUT */
};

/*
 * For tests, which prove with it that no shoot-down interrupts or drops more than it must: sums
 * over all CPUs. Each counter is exact while no shoot-down runs. Any context.
 */
void tlb_stats_read(struct tlb_stats *stats);

/* The requests; smp/call/call_hw.h serves and refuses them. */
extern struct call_kind tlb_calls;

/* For the NMI handler: serves every request that waits for this CPU. */
void tlb_nmi(void);

#endif
