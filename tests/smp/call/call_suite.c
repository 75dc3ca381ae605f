/*
 * Cross-CPU calls: each reaches the CPU it is for, with interrupts off, exactly once.
 * SPDX-License-Identifier: MIT
 */
#include <stdatomic.h>
#include "kernel/base/events.h"
#include "kernel/platform/console.h"
#include "smp/call/tlb.h"
#include "tests/suite/kutil.h"
#include "tests/suite/on_idle.h"
#include "tests/suite/speed.h"

static DEFINE_PER_CPU(u32, calls);

struct one_call {
    struct tally t;
    u32 cpu;
};

static void on_one(void *arg)
{
    struct one_call *c = arg;

    CHECK(&c->t, cpu_number() == c->cpu);
    CHECK(&c->t, !local_irqs_enabled());
    this_cpu_inc(calls);
    tally_ran(&c->t);
}

static void on_any(void *arg)
{
    CHECK(arg, !local_irqs_enabled());
    this_cpu_inc(calls);
    tally_ran(arg);
}

static u32 calls_of_all(void)
{
    u32 cpu, sum = 0;

    for_each_online_cpu(cpu) sum += per_cpu(calls, cpu);
    return sum;
}

/* A call for one CPU runs there and only there, this CPU included. */
KTEST(call, each)
{
    u32 cpu;

    for_each_online_cpu(cpu)
    {
        struct one_call c = {.cpu = cpu};
        u32 own = per_cpu(calls, cpu), all = calls_of_all();

        EXPECT_EQ(smp_call_on_copy(cpu, on_one, &c), 0);
        EXPECT_TALLY(&c.t, 1);
        EXPECT_EQ(per_cpu(calls, cpu), own + 1);
        EXPECT_EQ(calls_of_all(), all + 1);
    }
}

/* Many rounds to all: every CPU ran every one, once. Fewer rounds where there are more CPUs. */
KTEST(call, all_rounds)
{
    u32 n = cpus_online(), rounds = suite_rounds(MAX(4u, 400 / n), 4), cpu;
    struct tally t = {0};

    for_each_online_cpu(cpu) per_cpu(calls, cpu) = 0;
    for (u32 i = 0; i < rounds; i++)
        EXPECT_EQ(smp_call_all_copy(on_any, &t), 0);
    EXPECT_TALLY(&t, rounds * n);
    for_each_online_cpu(cpu) EXPECT_EQ(per_cpu(calls, cpu), rounds);
}

/* A set reaches its members and nobody else. */
KTEST(call, set)
{
    u64 words[CPUMAP_WORDS] = {0};
    struct tally t = {0};
    u32 cpu, members = 0;

    for_each_online_cpu(cpu)
    {
        per_cpu(calls, cpu) = 0;
        if (cpu % 2 == 0) {
            words[cpu / 64] |= 1ULL << cpu % 64;
            members++;
        }
    }
    EXPECT_EQ(smp_call_set_copy(words, on_any, &t), 0);
    EXPECT_TALLY(&t, members);
    for_each_online_cpu(cpu) EXPECT_EQ(per_cpu(calls, cpu), cpu % 2 == 0);
}

/* A CPU that is not there is refused at once, and nothing runs. */
KTEST(call, not_online)
{
    struct tally t = {0};
    u32 cpu;

    EXPECT_EQ(smp_call_on_copy(cpu_map.nr_ids, on_any, &t), -ENODEV);
    for_each_possible_cpu(cpu) if (!cpu_is_online(cpu))
        EXPECT_EQ(smp_call_on_copy(cpu, on_any, &t), -ENODEV);
    EXPECT_TALLY(&t, 0);
}

/* ---- a call that failed ---------------------------------------------------------------------- */

static atomic_bool begun, answer;

static void nothing(void *arg)
{
    (void)arg;
}

struct late {
    u64 in, out;
};

static uintptr_t where; /* the argument was */

/* In the call, interrupts off: this CPU is as good as dead until `answer`. */
static void answer_late(void *arg)
{
    struct late *l = arg;

    atomic_store(&begun, true);
    while (!atomic_load(&answer))
        cpu_relax();
    l->out = l->in + 1;
}

/* Its frame, with the argument in it, is gone when it returns. */
static NOINLINE int call_that_fails(u32 cpu)
{
    struct {
        struct late l;
        volatile u64 above[64];
    } f = {.l = {.in = 0x1a7e}};
    int err = smp_call_on_copy(cpu, answer_late, &f.l);

    where = (uintptr_t)&f.l;
    EXPECT_EQ(f.l.out, 0);
    return err;
}

/* What now lies where the frame was is as it was written, after the CPU has answered. */
static NOINLINE u32 poison_and_release(void)
{
    volatile u64 frame[128];
    u32 changed = 0;

    EXPECT_TRUE(where >= (uintptr_t)frame && where < (uintptr_t)&frame[ARRAY_SIZE(frame) - 2]);
    for (u32 i = 0; i < ARRAY_SIZE(frame); i++)
        frame[i] = 0x5a5a5a5a5a5a5a5aULL;
    atomic_store(&answer, true);
    while (smp_call_on(0, nothing, NULL) == -EBUSY)
        cpu_relax();
    for (u32 i = 0; i < ARRAY_SIZE(frame); i++)
        changed += frame[i] != 0x5a5a5a5a5a5a5a5aULL;
    return changed;
}

/* A CPU answers after the caller has given up and gone: it touches nothing of its stack. */
KTEST(call, a_late_answer_touches_nothing)
{
    u32 cpu = cpumap_next(&cpu_map, CPU_ONLINE, 1);
    struct call_deadline old;

    if (cpu >= cpu_map.nr_ids) {
        ktest_skip("needs 2 CPUs");
        return;
    }
    atomic_store(&begun, false);
    atomic_store(&answer, false);
    ktest_expect_event(EVENT_CALL_NMI);
    ktest_expect_lines();
    old = call_kind_set_deadline(&smp_calls, (struct call_deadline){20 * tsc_khz_now(), NULL});
    for (u32 i = 0; i < 50 && !atomic_load(&begun); i++) /* a busy host may not let it begin */
        EXPECT_EQ(call_that_fails(cpu), -ETIMEDOUT);
    call_kind_set_deadline(&smp_calls, old);
    EXPECT_TRUE(atomic_load(&begun));
    EXPECT_EQ(smp_call_on(0, nothing, NULL), atomic_load(&begun) ? -EBUSY : 0);
    EXPECT_EQ(poison_and_release(), 0);
    EXPECT_EQ(smp_call_all(nothing, NULL), 0);
}

/* An NMI that was needed is one event, not two: the report and the tests count them. */
KTEST(call, an_nmi_is_counted_once)
{
    u64 calls_before = event_total(EVENT_CALL_NMI), tlb_before = event_total(EVENT_TLB_NMI);
    u32 cpu = cpumap_next(&cpu_map, CPU_ONLINE, 1);

    if (cpu >= cpu_map.nr_ids) {
        ktest_skip("needs 2 CPUs");
        return;
    }
    ktest_expect_event(EVENT_CALL_NMI);
    ktest_expect_event(EVENT_TLB_NMI);
    smp_calls.ops.nmi(smp_calls.ops.ctx, cpu);
    EXPECT_EQ(event_total(EVENT_CALL_NMI), calls_before + 1);
    tlb_calls.ops.nmi(tlb_calls.ops.ctx, cpu);
    EXPECT_EQ(event_total(EVENT_TLB_NMI), tlb_before + 1);
    EXPECT_EQ(smp_call_all(nothing, NULL), 0);
}

/* ---- a CPU that does not take a call --------------------------------------------------------- */

static atomic_bool held, let_go;

static void hold_with_interrupts_off(void *arg)
{
    u64 flags = local_irq_save();

    (void)arg;
    atomic_store(&held, true);
    while (!atomic_load(&let_go))
        cpu_relax();
    local_irq_restore(flags);
}

/* Returns how many calls it took: a busy host may not let the CPU answer the first NMI in time. */
static u32 call_until_it_says_where(u32 cpu)
{
    u64 mark = console_mark();
    u32 tries = 0;

    for (u64 ms = 20; ms <= 2000; ms *= 10) {
        struct call_deadline shorter = {ms * tsc_khz_now(), NULL};
        struct call_deadline old = call_kind_set_deadline(&smp_calls, shorter);

        EXPECT_EQ(smp_call_on(cpu, nothing, NULL), -ETIMEDOUT);
        call_kind_set_deadline(&smp_calls, old);
        tries++;
        if (console_count(mark, "does not answer a call: it is at"))
            break;
    }
    EXPECT_EQ(console_count(mark, ", interrupts off (1 silent)"), 1);
    return tries;
}

/* Each call to a CPU with interrupts off ends with one NMI, which asks where it is. */
KTEST(call, a_silent_cpu_says_where_it_is)
{
    u32 cpu = cpumap_next(&cpu_map, CPU_ONLINE, 1);
    struct deadline d = deadline_start(1000000);
    u64 nmis = event_total(EVENT_CALL_NMI);
    static struct on_idle o;

    if (cpu >= cpu_map.nr_ids) {
        ktest_skip("needs 2 CPUs");
        return;
    }
    atomic_store(&held, false);
    atomic_store(&let_go, false);
    on_idle_begin(&o, hold_with_interrupts_off, NULL, false);
    on_idle_add(&o, cpu);
    while (!atomic_load(&held) && !deadline_passed(&d))
        cpu_relax();
    EXPECT_TRUE(atomic_load(&held));
    ktest_expect_event(EVENT_CALL_NMI);
    ktest_expect_lines();
    nmis += call_until_it_says_where(cpu);
    EXPECT_EQ(event_total(EVENT_CALL_NMI), nmis);
    atomic_store(&let_go, true);
    on_idle_end(&o, 1);
    EXPECT_EQ(smp_call_on(cpu, nothing, NULL), 0);
}
