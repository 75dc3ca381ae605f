/*
 * TLB shoot-down: every online CPU drops what it has cached of some addresses. A call that returns
 * 0 promises that no CPU will use, now or later, a translation that the page tables no longer held
 * when the call began; so the pages behind it, table pages too, may be given to somebody else. A
 * CPU that is parked or not yet started is not waited for: it flushes before it touches anything
 * (smp/run/park_core.h has the argument, docs/adr/0007 the references).
 *
 * The requests go their own way, beside smp/call/call.h, through a vector of their own: no lock,
 * several CPUs at the same time, each serving the others while it waits. A CPU that does not answer
 * its interrupt gets an NMI whose handler flushes and answers, so interrupts off for long on a CPU
 * delay a shoot-down and do not fail it.
 *
 * Context: thread context on an online CPU, interrupts on (asserted: with interrupts off two CPUs
 * could wait for each other). Never with a lock held that another CPU may wait for with interrupts
 * off. Nothing allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_CALL_TLB_H
#define PERCH_SMP_CALL_TLB_H

#include "kernel/base/errno.h"
#include "kernel/base/trap.h"
#include "smp/call/tlb_core.h"

/*
 * Drops [start, end) on all CPUs: up to TLB_MAX_PAGES pages one by one, else everything. Store the
 * page-table entries first, then call. 0; -ETIMEDOUT: a CPU, named in a line, answered neither the
 * interrupt nor an NMI and may still use the old translations: the pages must never be used again
 * (quarantine). An empty range is 0 and does nothing.
 */
int tlb_shootdown(u64 start, u64 end) MUST_CHECK;

/* The same for n ranges with one round of interrupts. The array is not used after the call. */
int tlb_shootdown_ranges(const struct tlb_range *ranges, u32 n) MUST_CHECK;

/* Everything, global translations and paging-structure caches too. */
int tlb_shootdown_all(void) MUST_CHECK;

struct tlb_stats {
    u64 shootdowns;  /* calls that had something to drop */
    u64 pages;       /* asked for one by one */
    u64 full;        /* calls that dropped everything */
    u64 remote;      /* calls that interrupted other CPUs */
    u64 nmi_rescues; /* requests that were answered from an NMI */
    u64 failures;    /* calls that returned -ETIMEDOUT */
};

/* Sums over all CPUs; each counter by itself is exact once nobody shoots down. Any context. */
void tlb_stats_read(struct tlb_stats *stats);

/*
 * How long a shoot-down waits before the NMI, and again before it fails, in TSC ticks; anew
 * whenever a CPU has answered. Set by the boot; tests shorten it. Returns the old value.
 */
u64 tlb_set_deadline(u64 ticks);

/* Serves what waits for this CPU. True: there was something. Interrupts off. */
bool tlb_serve(void);

/* This CPU has left the online set: whoever waits for it need not. Interrupts off. */
void tlb_refuse(void);

/* The handler of VEC_TLB; the same in an NMI. */
void tlb_interrupt(struct trap_frame *frame);
void tlb_nmi(void);

#endif
