/*
 * TLB shoot-down; see tlb.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/call/tlb.h"

#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/events.h"
#include "kernel/base/print.h"
#include "kernel/base/trap.h"
#include "smp/call/nmi_send.h"
#include "smp/start/cpus.h"

/*
 * The work is kept per CPU, not on the caller's stack. A target that its host stopped after it took
 * the request may read it after the caller has given up.
 */
static DEFINE_PER_CPU_ALIGNED(struct call_cpu, tlb_call);
static DEFINE_PER_CPU(struct tlb_work, tlb_work);
static DEFINE_PER_CPU(struct tlb_stats, tlb_stats);
static DEFINE_PER_CPU(bool, tlb_in_nmi);

static void kick_by_nmi(void *ctx, u32 cpu)
{
    (void)ctx;
    event_count(EVENT_TLB_NMI);
    smp_nmi_send(cpu); /* the reason is in tlb_call: the handler checks every caller's bit */
}

struct call_kind tlb_calls = CALL_KIND(tlb_calls, "shoot-down", &tlb_call, VEC_TLB, kick_by_nmi);

static void drop_local(const struct tlb_work *work)
{
    if (work->full) {
        u64 flags = local_irq_save();

        flush_tlb_local();
        local_irq_restore(flags);
        return;
    }
    for (u32 i = 0; i < work->runs; i++) {
        u64 va = work->run[i] & ~(PAGE_SIZE - 1);

        for (u64 n = work->run[i] & (PAGE_SIZE - 1); n; n--, va += PAGE_SIZE)
            invlpg(va);
    }
}

/* On a target: drops, and counts before the caller sees the request as done. */
static void drop_requested(void *arg)
{
    drop_local(arg);
    if (this_cpu_read(tlb_in_nmi))
        this_cpu_inc(tlb_stats.nmi_rescues);
}

void tlb_nmi(void)
{
    this_cpu_write(tlb_in_nmi, true);
    call_serve_nmi(&tlb_calls.ops, cpu_number(), cpu_map.nr_ids);
    this_cpu_write(tlb_in_nmi, false);
}

/* The other online CPUs, as words for nr_ids CPUs. False: there are none. */
static bool others_online(u64 *words)
{
    u32 self = cpu_number();
    u64 any = 0;

    for (u32 i = 0; i < BITMAP_WORDS(cpu_map.nr_ids); i++) {
        words[i] = cpumap_word(&cpu_map, CPU_ONLINE, i);
        if (i == self / 64)
            words[i] &= ~(1ULL << self % 64);
        any |= words[i];
    }
    return any;
}

static int report_failure(const struct call_result *result)
{
    this_cpu_inc(tlb_stats.failures);
    if (result->first_failed < NR_CPUS)
        pr_err("tlb: CPU %u answers neither a shoot-down nor an NMI (%u silent)",
               result->first_failed, result->failed);
    else
        pr_err("tlb: %u CPUs do not finish a shoot-down", result->failed);
    return -ETIMEDOUT;
}

static int shoot_down(const struct tlb_work *work)
{
    u64 words[CPUMAP_WORDS];
    struct call_targets others = {.words = words, .nr = cpu_map.nr_ids};
    struct call_result result;
    int err;

    this_cpu_inc(tlb_stats.shootdowns);
    this_cpu_add(tlb_stats.pages, work->pages);
    this_cpu_add(tlb_stats.full, work->full);
    /* A CPU that is not in the set read below must see the page tables as they are now. */
    atomic_thread_fence(memory_order_seq_cst);
    drop_local(work);
    if (!others_online(words))
        return 0;
    this_cpu_inc(tlb_stats.remote);
    /* The work is this CPU's own, per-CPU memory, and own_work() does not change it in use. */
    err = call_run(&tlb_calls.ops, cpu_number(), &others,
                   &(struct call_request){drop_requested, (void *)work, 0}, &result);
    return err ? report_failure(&result) : 0;
}

/* This CPU's work. NULL: another CPU still reads it, after a shoot-down that failed. */
static struct tlb_work *own_work(void)
{
    struct call_result hangs = {.failed = 1, .first_failed = NR_CPUS};

    ASSERT(local_irqs_enabled());
    if (call_settle(&tlb_calls.ops, cpu_number()))
        return this_cpu_ptr(&tlb_work);
    report_failure(&hangs);
    return NULL;
}

int tlb_shootdown_ranges(const struct tlb_range *ranges, u32 n)
{
    struct tlb_work *work = own_work();

    if (!work)
        return -ETIMEDOUT;
    return tlb_plan(work, ranges, n) ? shoot_down(work) : 0;
}

int tlb_shootdown(u64 start, u64 end)
{
    return tlb_shootdown_ranges(&(struct tlb_range){start, end}, 1);
}

int tlb_shootdown_all(void)
{
    struct tlb_work *work = own_work();

    if (!work)
        return -ETIMEDOUT;
    tlb_plan_full(work);
    return shoot_down(work);
}

void tlb_stats_read(struct tlb_stats *stats)
{
    u32 cpu;

    *stats = (struct tlb_stats){0};
    for_each_possible_cpu(cpu)
    {
        const struct tlb_stats *one = per_cpu_ptr(&tlb_stats, cpu);

        stats->shootdowns += one->shootdowns;
        stats->pages += one->pages;
        stats->full += one->full;
        stats->remote += one->remote;
        stats->nmi_rescues += one->nmi_rescues;
        stats->failures += one->failures;
    }
}
