/*
 * The dynamic per-CPU allocator and the other CPUs: which idle CPU gets deferred work, decay by
 * time, calls to all CPUs, and hooks for CPUs that come online or park. See percpu_platform.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/percpu_platform.h"
#include "kernel/base/clockmath.h"
#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/deadline.h"
#include "percpu/percpu_instance.h"
#include "percpu/percpu.h"
#include "smp/call/call.h"
#include "smp/start/cpus.h"
#include "smp/run/idle.h"
#include "smp/run/idle_set.h"
#include "smp/run/park.h"

static _Atomic bool hold_work; /* idle CPUs do not start deferred work */

static bool held(void)
{
    return atomic_load_explicit(&hold_work, memory_order_relaxed);
}

void percpu_hold_work(bool on)
{
    u32 cpu;

    atomic_store_explicit(&hold_work, on, memory_order_relaxed);
    if (!on)
        for_each_online_cpu(cpu) cpu_kick(cpu);
}

/* The next idle CPU after this one gets the deferred work. */
static bool pick_idle(void *ctx, u32 *cpu)
{
    (void)ctx;
    *cpu = cpu_idle_pick(cpu_number() + 1);
    return *cpu != NR_CPUS;
}

static void wake(void *ctx, u32 cpu)
{
    (void)ctx;
    if (!held())
        cpu_kick(cpu);
}

static int call_all(void *ctx, void (*fn)(void *arg), void *arg)
{
    (void)ctx;
    return smp_call_all(fn, arg);
}

static u64 phys_of(void *ctx, u64 va)
{
    struct kernel_vm *vm = ctx;
    u64 pa;

    return pagetable_lookup(&vm->pt, va, &pa, NULL, NULL) ? ~0ULL : pa;
}

static struct pcpu_alloc_ops alloc_ops = {
    .pick_idle = pick_idle,
    .wake = wake,
    .call_all = call_all,
    .phys = phys_of,
};

const struct pcpu_alloc_ops *percpu_cpus_ops(struct kernel_vm *vm)
{
    alloc_ops.ctx = vm;
    return &alloc_ops;
}

/* ---- decay by time (docs/adr/0031) ----------------------------------------------------------- */

static _Atomic u64 decay_ns = 1000000000;
static _Atomic u64 decays;
static _Atomic u64 shared_at;         /* TSC of the last decay of what all CPUs share */
static DEFINE_PER_CPU(u64, decay_at); /* TSC of this CPU's next decay; 0: nothing to decay */

u64 percpu_decay_period(u64 ns)
{
    u64 before = atomic_exchange_explicit(&decay_ns, ns, memory_order_relaxed);
    u32 cpu;

    for_each_online_cpu(cpu)
    {
        __atomic_store_n(per_cpu_ptr(&decay_at, cpu), 0, __ATOMIC_RELAXED);
        cpu_kick(cpu);
    }
    return before;
}

u64 percpu_decays(void)
{
    return atomic_load_explicit(&decays, memory_order_relaxed);
}

static u64 period(void)
{
    u64 us = atomic_load_explicit(&decay_ns, memory_order_relaxed) / 1000;

    return clock_us_to_ticks(us, tsc_khz_now());
}

static bool decay_due(void)
{
    u64 at = this_cpu_read(decay_at);

    return at && rdtsc() >= at;
}

/* One CPU a period. A difference, because no TSC need be in step with the others. */
static bool claim_shared(void)
{
    u64 last = atomic_load_explicit(&shared_at, memory_order_relaxed), now = rdtsc();

    return now - last >= period() &&
           atomic_compare_exchange_strong_explicit(&shared_at, &last, now, memory_order_relaxed,
                                                   memory_order_relaxed);
}

static void decay(struct pcpu_allocator *a)
{
    this_cpu_write(decay_at, 0);
    pcpu_decay_cpu(a);
    if (pcpu_decay_shared_wanted(a) && claim_shared())
        pcpu_decay_shared(a);
    atomic_fetch_add_explicit(&decays, 1, memory_order_relaxed);
}

/* A CPU that has slept through its time decays once: what it keeps is halved, not lost. */
static u64 idle_sleep(void *ctx)
{
    u64 at = this_cpu_read(decay_at), now = rdtsc();

    if (held() || !atomic_load_explicit(&decay_ns, memory_order_relaxed))
        return 0;
    if (!at) {
        if (!pcpu_decay_cpu_wanted(ctx) && !pcpu_decay_shared_wanted(ctx))
            return 0;
        at = now + period();
        this_cpu_write(decay_at, at);
    }
    return at > now ? clock_ticks_to_ns(at - now, tsc_khz_now()) + 1000 : 1;
}

/* ---- the idle loop --------------------------------------------------------------------------- */

static bool idle_pending(void *ctx)
{
    return !held() && (decay_due() || pcpu_idle_pending(ctx));
}

static void idle_work(void *ctx)
{
    pcpu_idle_work(ctx);
    if (decay_due())
        decay(ctx);
}

static int first_online(void *ctx, u32 cpu)
{
    (void)ctx;
    return percpu_cpu_first_online(cpu);
}

/* With interrupts on, where most of the work is, and off: an interrupt may have freed objects. */
static void parking(void *ctx, u32 cpu)
{
    (void)cpu;
    pcpu_cpu_parking(ctx);
}

int percpu_cpus_hook(void)
{
    static struct cpu_idle_ops idle_ops = {
        .pending = idle_pending, .work = idle_work, .sleep = idle_sleep};
    static struct cpu_hooks hooks = {
        .first_online = first_online, .parking = parking, .parked = parking};
    int err;

    idle_ops.ctx = hooks.ctx = percpu_allocator();
    err = cpu_hooks_add(&hooks);
    if (!err)
        cpu_idle_set_ops(&idle_ops);
    return err;
}
