/*
 * Parking and waking; see park.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/run/park.h"

#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/deadline.h"
#include "kernel/base/print.h"
#include "kernel/base/spinlock.h"
#include "smp/call/call.h"
#include "smp/call/nmi_send.h"
#include "smp/call/tlb.h"
#include "smp/run/idle_set.h"
#include "smp/run/park_core.h"
#include "smp/start/bringup.h"
#include "smp/start/cpus.h"

#define MAX_HOOKS 4
/* Long enough for hooks that shoot down or drain caches. */
#define PARK_DEADLINE_US 1000000

static DEFINE_PER_CPU(struct park_cpu, park_cpu);

/* Held by the one request under way, and while hooks change. Only tried, never waited for. */
static struct spinlock under_way = SPINLOCK_INIT;
static const struct cpu_hooks *hooks[MAX_HOOKS];
static u32 nr_hooks;

static _Atomic u32 unflushed; /* cpus_unflushed() */

/* smp/run/park.asm */
void park_halt(const _Atomic u32 *word, u32 value);
extern const u8 park_halt_end[];

/* ---- hooks ----------------------------------------------------------------------------------- */

static bool all_settled(void)
{
    u32 cpu;

    for_each_possible_cpu(cpu)
    {
        enum park_state state = park_state(per_cpu_ptr(&park_cpu, cpu));

        if (state != PARK_RUNNING && state != PARK_PARKED)
            return false;
    }
    return true;
}

/* True: the lock is held and no CPU runs hooks. */
static bool lock_hooks(void)
{
    if (!spin_trylock(&under_way))
        return false;
    if (all_settled())
        return true;
    spin_unlock(&under_way);
    return false;
}

int cpu_hooks_add(const struct cpu_hooks *h)
{
    int err = 0;

    if (!lock_hooks())
        return -EBUSY;
    if (nr_hooks < MAX_HOOKS)
        hooks[nr_hooks++] = h;
    else
        err = -ENOSPC;
    spin_unlock(&under_way);
    return err;
}

int cpu_hooks_remove(const struct cpu_hooks *h)
{
    u32 i = 0;

    if (!lock_hooks())
        return -EBUSY;
    while (i < nr_hooks && hooks[i] != h)
        i++;
    if (i == nr_hooks) {
        spin_unlock(&under_way);
        return -ENOENT;
    }
    for (nr_hooks--; i < nr_hooks; i++)
        hooks[i] = hooks[i + 1];
    spin_unlock(&under_way);
    return 0;
}

static void run_parking(u32 cpu)
{
    for (u32 i = nr_hooks; i-- > 0;)
        if (hooks[i]->parking)
            hooks[i]->parking(hooks[i]->ctx, cpu);
}

static void run_parked(u32 cpu)
{
    for (u32 i = nr_hooks; i-- > 0;)
        if (hooks[i]->parked)
            hooks[i]->parked(hooks[i]->ctx, cpu);
}

static void run_woken(u32 cpu)
{
    for (u32 i = 0; i < nr_hooks; i++)
        if (hooks[i]->woken)
            hooks[i]->woken(hooks[i]->ctx, cpu);
}

static int run_first_online(u32 cpu)
{
    int err = 0;

    for (u32 i = 0; i < nr_hooks && !err; i++)
        if (hooks[i]->first_online)
            err = hooks[i]->first_online(hooks[i]->ctx, cpu);
    return err;
}

/* ---- on the CPU itself ----------------------------------------------------------------------- */

static void op_leave(void *ctx, u32 cpu)
{
    (void)ctx;
    atomic_fetch_add_explicit(&unflushed, 1, memory_order_seq_cst);
    cpumap_clear(&cpu_map, CPU_ONLINE, cpu);
}

static void op_refuse(void *ctx, u32 cpu)
{
    (void)ctx;
    (void)cpu;
    call_kind_refuse(&smp_calls);
    call_kind_refuse(&tlb_calls);
}

static void op_halt(void *ctx, const struct park_cpu *p)
{
    (void)ctx;
    park_halt(&p->state, PARK_PARKED);
}

static void op_enter(void *ctx, u32 cpu)
{
    (void)ctx;
    cpumap_set(&cpu_map, CPU_ONLINE, cpu);
}

static void op_flush(void *ctx)
{
    (void)ctx;
    flush_tlb_local();
    atomic_fetch_sub_explicit(&unflushed, 1, memory_order_seq_cst);
}

bool cpus_unflushed(void)
{
    return atomic_load_explicit(&unflushed, memory_order_seq_cst) != 0;
}

static const struct park_ops ops = {op_leave, op_refuse, op_halt, op_enter, op_flush, NULL};

bool cpu_park_asked(void)
{
    enum park_state state = park_state(this_cpu_ptr(&park_cpu));

    return state == PARK_ASKED || state == PARK_WAKING;
}

void cpu_park_now(void)
{
    struct park_cpu *p = this_cpu_ptr(&park_cpu);
    u32 cpu = cpu_number();

    if (park_step(p, PARK_ASKED, PARK_LEAVING)) {
        run_parking(cpu);
        local_irq_disable();
        run_parked(cpu);
        park_stay(p, cpu, &ops);
        /* A request sends no interrupt when the summary still has an older caller's mark. */
        call_kind_serve(&smp_calls);
        call_kind_serve(&tlb_calls);
        local_irq_enable();
    }
    if (park_state(p) == PARK_WAKING) {
        run_woken(cpu);
        park_step(p, PARK_WAKING, PARK_RUNNING);
    }
}

void cpu_park_nmi(u64 *rip)
{
    u64 begin = (uintptr_t)park_halt;

    /* Between the check of the word and HLT: check again, or the CPU sleeps in spite of the NMI. */
    if (*rip >= begin && *rip < (uintptr_t)park_halt_end)
        *rip = begin;
}

/* ---- on the CPU that asks -------------------------------------------------------------------- */

static bool wait_for(const struct park_cpu *p, enum park_state state)
{
    struct deadline d = deadline_start(PARK_DEADLINE_US);

    while (park_state(p) != state)
        if (deadline_passed(&d))
            return park_state(p) == state;
    return true;
}

static int ask_to_park(u32 cpu)
{
    struct park_cpu *p = per_cpu_ptr(&park_cpu, cpu);

    if (!park_step(p, PARK_RUNNING, PARK_ASKED))
        return -EBUSY;
    cpu_kick(cpu);
    if (wait_for(p, PARK_PARKED))
        return 0;
    if (park_step(p, PARK_ASKED, PARK_RUNNING)) {
        pr_err("smp: CPU %u is to park, but does not come to its idle loop", cpu);
        return -ETIMEDOUT;
    }
    if (wait_for(p, PARK_PARKED))
        return 0;
    pr_err("smp: CPU %u is to park, but its hooks do not end", cpu);
    return -ETIMEDOUT;
}

int cpu_park_request(u32 cpu)
{
    int err;

    ASSERT(local_irqs_enabled());
    if (cpu == 0 || cpu == cpu_number())
        return -EINVAL;
    if (!cpu_is_online(cpu))
        return -ENODEV;
    if (!spin_trylock(&under_way))
        return -EBUSY;
    err = ask_to_park(cpu);
    spin_unlock(&under_way);
    return err;
}

static int wait_until_back(u32 cpu, struct park_cpu *p)
{
    if (wait_for(p, PARK_RUNNING))
        return 0;
    pr_err("smp: CPU %u is to wake, but %s", cpu,
           cpu_is_online(cpu) ? "its hooks do not end" : "does not come");
    return -ETIMEDOUT;
}

static int start_cpu(u32 cpu, struct park_cpu *p)
{
    int err = run_first_online(cpu);

    if (err)
        return err;
    park_step(p, PARK_RUNNING, PARK_WAKING);
    err = smp_start_one(cpu);
    if (err) {
        park_step(p, PARK_WAKING, PARK_RUNNING);
        return err;
    }
    return wait_until_back(cpu, p);
}

static int wake_cpu(u32 cpu)
{
    struct park_cpu *p = per_cpu_ptr(&park_cpu, cpu);

    if (park_state(p) == PARK_RUNNING)
        return smp_can_start(cpu) ? start_cpu(cpu, p) : -ENODEV;
    if (!park_step(p, PARK_PARKED, PARK_WAKING) && park_state(p) != PARK_WAKING)
        return -EBUSY;
    smp_nmi_send(cpu);
    return wait_until_back(cpu, p);
}

int cpu_wake(u32 cpu)
{
    int err;

    ASSERT(local_irqs_enabled());
    if (!cpumap_test(&cpu_map, CPU_POSSIBLE, cpu))
        return -ENODEV;
    if (cpu_is_online(cpu))
        return -EEXIST;
    if (!spin_trylock(&under_way))
        return -EBUSY;
    err = wake_cpu(cpu);
    spin_unlock(&under_way);
    return err;
}

u32 cpus_parked(void)
{
    u32 cpu, n = 0;

    for_each_possible_cpu(cpu) n += park_state(per_cpu_ptr(&park_cpu, cpu)) == PARK_PARKED;
    return n;
}
