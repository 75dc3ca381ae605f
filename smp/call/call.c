/*
 * Cross-CPU calls: the hardware side of smp/call/call_core.h; see call.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/call/call.h"

#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/events.h"
#include "kernel/base/print.h"
#include "mm/map/address_map.h"
#include "smp/call/nmi_send.h"
#include "smp/start/cpus.h"

/*
 * An NMI asks a silent CPU where it is: the question and the answer.
 *  - who writes: the caller that gave up waiting: `rip` 0, then `asked`; the CPU, in its NMI, takes
 *    `asked`, and stores `rflags`, then `rip`;
 *  - who reads: that caller, once, for a line in the log;
 *  - which order: `asked` is exchanged, so one question gets one answer; `rip` is released and
 *    acquired, so `rflags` belongs to it. Two callers that ask the same CPU at once may get each
 *    other's answer, or 0: then the line says less, and nothing else uses it.
 */
struct nmi_question {
    _Atomic bool asked;
    _Atomic u64 rip; /* 0: no answer yet */
    u64 rflags;
};

static DEFINE_PER_CPU_ALIGNED(struct call_cpu, call_cpu);
static DEFINE_PER_CPU(struct nmi_question, nmi_question);

static void ask_by_nmi(void *ctx, u32 cpu)
{
    struct nmi_question *q = per_cpu_ptr(&nmi_question, cpu);

    (void)ctx;
    atomic_store_explicit(&q->rip, 0, memory_order_relaxed);
    atomic_store_explicit(&q->asked, true, memory_order_seq_cst);
    event_count(EVENT_CALL_NMI);
    smp_nmi_send(cpu);
}

struct call_kind smp_calls = CALL_KIND(smp_calls, "call", &call_cpu, VEC_CALL, ask_by_nmi);

void smp_call_nmi(struct trap_frame *frame)
{
    struct nmi_question *q = this_cpu_ptr(&nmi_question);

    if (!atomic_exchange_explicit(&q->asked, false, memory_order_acq_rel))
        return;
    q->rflags = frame->rflags;
    atomic_store_explicit(&q->rip, frame->rip, memory_order_release);
}

static void report_silent(const struct call_result *result, void (*fn)(void *arg))
{
    u32 cpu = result->first_failed;
    struct nmi_question *q;
    u64 rip;

    if (result->hangs) {
        pr_err("smp: %u CPU%s not return from a call of %p", result->failed,
               result->failed == 1 ? " does" : "s do", (void *)(uintptr_t)fn);
        return;
    }
    q = per_cpu_ptr(&nmi_question, cpu);
    rip = atomic_load_explicit(&q->rip, memory_order_acquire);
    if (!rip)
        pr_err("smp: CPU %u answers neither a call nor an NMI (%u silent)", cpu, result->failed);
    else
        pr_err("smp: CPU %u does not answer a call: it is at %016lx, interrupts %s (%u silent)",
               cpu, rip, q->rflags & RFLAGS_IF ? "on" : "off", result->failed);
}

static int call_and_report(const struct call_targets *targets, const struct call_request *request,
                           struct call_result *result)
{
    int err;

    ASSERT(local_irqs_enabled());
    /* Every stack is in a virtual area, and what else is there is no argument. */
    ASSERT(request->size || (u64)(uintptr_t)request->arg - VAREA_BASE >= VAREA_SIZE);
    err = call_run(&smp_calls.ops, cpu_number(), targets, request, result);
    if (err == -ETIMEDOUT)
        report_silent(result, request->fn);
    return err;
}

int smp_call_on_bytes(u32 cpu, void (*fn)(void *arg), void *arg, u32 size)
{
    struct call_result result;
    int err;

    if (!cpu_is_online(cpu))
        return -ENODEV;
    err = call_and_report(&(struct call_targets){.cpu = cpu}, &(struct call_request){fn, arg, size},
                          &result);
    return err ? err : result.refused ? -ENODEV : 0;
}

int smp_call_set_bytes(const u64 *set, void (*fn)(void *arg), void *arg, u32 size)
{
    u64 words[CPUMAP_WORDS];
    struct call_targets targets = {.words = words, .nr = cpu_map.nr_ids};
    struct call_result result;

    for (u32 i = 0; i < BITMAP_WORDS(cpu_map.nr_ids); i++)
        words[i] = cpumap_word(&cpu_map, CPU_ONLINE, i) & (set ? set[i] : ~0ULL);
    return call_and_report(&targets, &(struct call_request){fn, arg, size}, &result);
}

int smp_call_on(u32 cpu, void (*fn)(void *arg), void *arg)
{
    return smp_call_on_bytes(cpu, fn, arg, 0);
}

int smp_call_set(const u64 *set, void (*fn)(void *arg), void *arg)
{
    return smp_call_set_bytes(set, fn, arg, 0);
}

int smp_call_all(void (*fn)(void *arg), void *arg)
{
    return smp_call_set(NULL, fn, arg);
}
