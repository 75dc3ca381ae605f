/*
 * The dynamic per-CPU allocator and the other CPUs: which idle CPU gets deferred work, calls to all
 * CPUs, and hooks for CPUs that come online or park. See percpu_platform.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/percpu_platform.h"
#include "kernel/base/cpu_local.h"
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

static bool idle_pending(void *ctx)
{
    return !held() && pcpu_idle_pending(ctx);
}

static void idle_work(void *ctx)
{
    pcpu_idle_work(ctx);
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
    static struct cpu_idle_ops idle_ops = {.pending = idle_pending, .work = idle_work};
    static struct cpu_hooks hooks = {
        .first_online = first_online, .parking = parking, .parked = parking};
    int err;

    idle_ops.ctx = hooks.ctx = percpu_allocator();
    err = cpu_hooks_add(&hooks);
    if (!err)
        cpu_idle_set_ops(&idle_ops);
    return err;
}
