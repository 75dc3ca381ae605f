/*
 * Work on many CPUs at once with interrupts on, as threads would do it, while timer interrupts
 * come: for suites of what must hold between CPUs, and between a CPU and its own interrupts. A CPU
 * other than the caller runs the work in its timer's handler, with interrupts on again; it may call
 * other CPUs from there, as the caller may. On machines with many CPUs every stress_stride()th
 * takes part.
 * Header only. Context: the boot CPU's test thread starts it.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_SUITE_STRESS_H
#define PERCH_TESTS_SUITE_STRESS_H

#include "smp/run/lapic_timer.h"
#include "tests/suite/kutil.h"

#define STRESS_START_NS 100000ULL
#define STRESS_TICK_NS  150000ULL

struct stress {
    void (*work)(void *arg);
    void (*tick)(void *arg); /* in timer interrupts while work runs; may be NULL */
    void *arg;
    struct tally t; /* of CHECK()s in work and tick; the line is one of the suite's file */
    u32 home;
    _Atomic u32 ready, go, done, ticks;
};

static DEFINE_PER_CPU(u32, stress_ticking);
static DEFINE_PER_CPU(_Atomic u32, stress_ticked);

static inline u32 stress_stride(void)
{
    return 1 + (cpus_online() - 1) / (cpus_online() <= 64 ? 16 : 4);
}

static inline bool stress_takes_part(u32 cpu)
{
    return cpu_is_online(cpu) && cpu % stress_stride() == 0;
}

static inline u32 stress_cpus(void)
{
    u32 cpu, n = 0;

    for_each_online_cpu(cpu) n += stress_takes_part(cpu);
    return n;
}

static void stress_tick(void *arg)
{
    struct stress *s = arg;

    if (!this_cpu_read(stress_ticking))
        return;
    s->tick(s->arg);
    s->ticks++;
    (*this_cpu_ptr(&stress_ticked))++;
    CHECK(&s->t, lapic_timer_again(STRESS_TICK_NS, stress_tick, s) == 0);
}

static inline bool stress_wait(_Atomic u32 *word, u32 want)
{
    struct deadline d = deadline_start(2000000);

    while (*word < want && !deadline_passed(&d))
        cpu_relax();
    return *word >= want;
}

static void stress_ticks_on(struct stress *s)
{
    u64 flags = local_irq_save();

    this_cpu_write(stress_ticking, 1);
    *this_cpu_ptr(&stress_ticked) = 0;
    CHECK(&s->t, lapic_timer_start(STRESS_TICK_NS, stress_tick, s) == 0);
    local_irq_restore(flags);
}

/* A host that is busy may be late with a timer: each CPU has at least one tick. */
static void stress_ticks_off(struct stress *s)
{
    u64 flags;

    CHECK(&s->t, stress_wait(this_cpu_ptr(&stress_ticked), 1));
    flags = local_irq_save();
    this_cpu_write(stress_ticking, 0);
    lapic_timer_cancel();
    local_irq_restore(flags);
}

/* Interrupts on. */
static void stress_do(struct stress *s)
{
    if (s->tick)
        stress_ticks_on(s);
    s->work(s->arg);
    if (s->tick)
        stress_ticks_off(s);
}

static void stress_on_timer(void *arg)
{
    struct stress *s = arg;

    s->ready++;
    local_irq_enable();
    while (!s->go)
        cpu_relax();
    if (s->go == 1)
        stress_do(s);
    local_irq_disable();
    s->done++;
}

static void stress_arm(void *arg)
{
    struct stress *s = arg;

    if (cpu_number() != s->home && stress_takes_part(cpu_number()))
        CHECK(&s->t, lapic_timer_start(STRESS_START_NS, stress_on_timer, s) == 0);
}

/*
 * Runs s->work(s->arg) on all CPUs that take part, this one included, from the same moment on; s is
 * static (a late interrupt must not find a dead frame). False: skipped, or a CPU did not come.
 */
static inline bool stress_run(struct stress *s)
{
    u32 others = stress_cpus() - 1;
    bool came;

    if (lapic_timer_hz() == 0) {
        ktest_skip("the local APIC's timer could not be measured");
        return false;
    }
    s->t = (struct tally){0};
    s->ready = s->go = s->done = s->ticks = 0;
    s->home = cpu_number();
    EXPECT_EQ(smp_call_all(stress_arm, s), 0);
    came = stress_wait(&s->ready, others);
    EXPECT_TRUE(came);
    s->go = came ? 1 : 2;
    if (came)
        stress_do(s);
    EXPECT_TRUE(stress_wait(&s->done, s->ready));
    if (s->t.bad)
        ktest_fail(__FILE__, (int)s->t.line, "%u checks of the work failed, the first on CPU %u",
                   s->t.bad, s->t.cpu);
    return came;
}

#endif
