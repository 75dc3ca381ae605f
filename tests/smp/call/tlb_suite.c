/*
 * Shoot-downs: what other CPUs have cached is gone, from all CPUs at once, and also from CPUs that
 * do not answer an interrupt.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/safe.h"
#include "kernel/platform/idt.h"
#include "smp/call/tlb.h"
#include "smp/start/apic.h"
#include "tests/smp/call/tlb_area.h"
#include "tests/suite/on_idle.h"

/* ---- stale translations ---------------------------------------------------------------------- */

/* A remote CPU that has read a page faults on it when it is unmapped and shot down. */
KTEST(tlb, a_page_is_forgotten)
{
    struct tlb_area a;
    u32 cpu, stale = 0, seen = 0, stride = cpu_stride();

    REQUIRE_EQ(tlb_area_take(&a, 1), 0);
    for_each_online_cpu(cpu)
    {
        if (cpu % stride)
            continue;
        tlb_area_map(&a, 0);
        EXPECT_EQ(tlb_area_read(&a, cpu), TLB_AREA_WORD(0));
        tlb_area_unmap(&a);
        stale += tlb_area_read(&a, cpu) == TLB_AREA_WORD(0);
        EXPECT_EQ(tlb_shootdown(a.va, a.va + PAGE_SIZE), 0);
        EXPECT_EQ(tlb_area_read(&a, cpu), TLB_AREA_FAULT);
        tlb_area_map(&a, 1);
        EXPECT_EQ(tlb_area_read(&a, cpu), TLB_AREA_WORD(1));
        tlb_area_unmap(&a);
        EXPECT_EQ(tlb_shootdown(a.va, a.va + PAGE_SIZE), 0);
        seen++;
    }
    ktest_note("without a shoot-down %u of %u CPUs still read the page", stale, seen);
    tlb_area_give_back(&a);
}

struct readers {
    struct tally t;
    const struct tlb_area *area;
    bool mapped;
};

static void read_all(void *arg)
{
    struct readers *r = arg;
    u64 val;

    for (u32 i = 0; i < r->area->pages; i++)
        CHECK(&r->t, probe_read(r->area->va + i * PAGE_SIZE, 8, &val) == (r->mapped ? 0 : -EFAULT));
    tally_ran(&r->t);
}

enum how { BY_RANGE, BY_LIST, BY_ALL };

static int shoot(const struct tlb_area *a, enum how how)
{
    u64 half = a->va + a->pages / 2 * PAGE_SIZE, end = a->va + a->pages * PAGE_SIZE;
    struct tlb_range list[] = {{half, end}, {a->va, a->va}, {a->va, half}};

    if (how == BY_ALL)
        return tlb_shootdown_all();
    return how == BY_LIST ? tlb_shootdown_ranges(list, 3) : tlb_shootdown(a->va, end);
}

static void forget_on_all(u32 pages, enum how how)
{
    static struct tlb_area a; /* a call that fails may still read it */
    struct readers r = {.area = &a, .mapped = true};

    REQUIRE_EQ(tlb_area_take(&a, pages), 0);
    tlb_area_map(&a, 0);
    EXPECT_EQ(smp_call_all_copy(read_all, &r), 0);
    tlb_area_unmap(&a);
    EXPECT_EQ(shoot(&a, how), 0);
    r.mapped = false;
    EXPECT_EQ(smp_call_all_copy(read_all, &r), 0);
    EXPECT_TALLY(&r.t, 2 * cpus_online());
    tlb_area_give_back(&a);
}

/* All CPUs forget all pages, however the pages are named, below and above the limit. */
KTEST(tlb, all_cpus_forget)
{
    forget_on_all(2, BY_RANGE);
    forget_on_all(TLB_MAX_PAGES, BY_RANGE);
    forget_on_all(TLB_MAX_PAGES, BY_LIST);
    forget_on_all(TLB_MAX_PAGES + 7, BY_RANGE);
    forget_on_all(TLB_MAX_PAGES + 7, BY_LIST);
    forget_on_all(3, BY_ALL);
}

/* The counters say what was asked; nothing asked is nothing done. */
KTEST(tlb, counters)
{
    u64 va = VAREA_BASE + VAREA_SIZE / 2, remote = cpus_online() > 1;
    struct tlb_stats a, b;

    tlb_stats_read(&a);
    EXPECT_EQ(tlb_shootdown(va, va), 0);
    EXPECT_EQ(tlb_shootdown_ranges(NULL, 0), 0);
    EXPECT_EQ(tlb_shootdown(va, va + 1), 0);
    EXPECT_EQ(tlb_shootdown(va, va + TLB_MAX_PAGES * PAGE_SIZE), 0);
    EXPECT_EQ(tlb_shootdown(va, va + (TLB_MAX_PAGES + 1) * PAGE_SIZE), 0);
    EXPECT_EQ(tlb_shootdown_all(), 0);
    tlb_stats_read(&b);
    /* Idle CPUs may shoot down meanwhile. */
    EXPECT_GE(b.shootdowns - a.shootdowns, 4);
    EXPECT_GE(b.pages - a.pages, 1 + TLB_MAX_PAGES);
    EXPECT_GE(b.full - a.full, 2);
    EXPECT_GE(b.remote - a.remote, 4 * remote);
    EXPECT_EQ(b.failures, a.failures);
}

/* ---- everybody at once ----------------------------------------------------------------------- */

static void storm_round(struct tally *t, u32 i)
{
    u64 va = VAREA_BASE + VAREA_SIZE / 2;
    struct tlb_range list[2] = {{va, va + 1}, {va + 3 * PAGE_SIZE, va + 5 * PAGE_SIZE}};

    CHECK(t, local_irqs_enabled());
    if (i % 4 == 0)
        CHECK(t, tlb_shootdown_all() == 0);
    else if (i % 4 == 1)
        CHECK(t, tlb_shootdown_ranges(list, 2) == 0);
    else
        CHECK(t, tlb_shootdown(va, va + i % 3 * PAGE_SIZE + 1) == 0);
}

/* Each waits for all: where virtual CPUs share few real ones a round is slow. */
#define STORM_ROUNDS 4
#define STORM_CPUS   8

static void storm(void *arg)
{
    for (u32 i = 0; i < STORM_ROUNDS; i++)
        storm_round(arg, i + cpu_number());
    tally_ran(arg);
}

/* All CPUs shoot down at the same time, and call at the same time: nobody waits for ever. */
KTEST(tlb, all_at_once)
{
    static struct on_idle o;
    static struct tally t;
    struct tally calls = {0};
    u32 cpu, n = cpus_online(), others = 0;

    t = (struct tally){0};
    on_idle_begin(&o, storm, &t, false);
    for_each_online_cpu(cpu) if (cpu && others + 1 < STORM_CPUS)
    {
        on_idle_add(&o, cpu);
        others++;
    }
    for (u32 i = 0; i < STORM_ROUNDS; i++) {
        storm_round(&t, i);
        EXPECT_EQ(smp_call_all_copy((void (*)(void *))tally_ran, &calls), 0);
    }
    on_idle_end(&o, others);
    EXPECT_TALLY(&t, others);
    EXPECT_TALLY(&calls, n * STORM_ROUNDS);
}

/* ---- CPUs that do not answer ----------------------------------------------------------------- */

static atomic_bool held, let_go;

static void hold(void)
{
    atomic_store(&held, true);
    while (!atomic_load(&let_go))
        ;
    atomic_store(&held, false);
}

static void hold_with_interrupts_off(void *arg)
{
    u64 flags = local_irq_save();

    (void)arg;
    hold();
    local_irq_restore(flags);
}

static bool wait_held(bool want)
{
    struct deadline d = deadline_start(1000000);

    while (atomic_load(&held) != want)
        if (deadline_passed(&d))
            return false;
    return true;
}

/* Its CPUs get an NMI, on purpose. */
static int shoot_with_deadline(u64 va, u64 ms)
{
    struct call_deadline shorter = {ms * tsc_khz_now(), NULL};
    struct call_deadline old = call_kind_set_deadline(&tlb_calls, shorter);
    int err;

    ktest_expect_event(EVENT_TLB_NMI);
    err = tlb_shootdown(va, va + PAGE_SIZE);
    call_kind_set_deadline(&tlb_calls, old);
    return err;
}

/*
 * Interrupts off on a CPU, until after the shoot-down: the NMI flushes there, and the call
 * succeeds. Others that are late for a short deadline, on a busy host, get an NMI too; should one
 * be late for that as well, the next try has more time.
 */
KTEST(tlb, an_nmi_rescues)
{
    static struct on_idle o;
    struct tlb_area a;
    struct tlb_stats before, after;
    u32 cpu = cpumap_next(&cpu_map, CPU_ONLINE, 1);
    int err = -ETIMEDOUT;
    u64 nmis;

    if (cpus_online() < 2) {
        ktest_skip("needs 2 CPUs");
        return;
    }
    REQUIRE_EQ(tlb_area_take(&a, 1), 0);
    tlb_area_map(&a, 0);
    EXPECT_EQ(tlb_area_read(&a, cpu), TLB_AREA_WORD(0));
    atomic_store(&let_go, false);
    on_idle_begin(&o, hold_with_interrupts_off, NULL, false);
    on_idle_add(&o, cpu);
    EXPECT_TRUE(wait_held(true));
    tlb_area_unmap(&a);
    tlb_stats_read(&before);
    nmis = event_total(EVENT_TLB_NMI);
    ktest_expect_event(EVENT_TLB_NMI);
    ktest_expect_lines();
    for (u64 ms = 20; err && ms <= 2000; ms *= 10)
        err = shoot_with_deadline(a.va, ms);
    tlb_stats_read(&after);
    EXPECT_EQ(err, 0);
    EXPECT_TRUE(atomic_load(&held));
    EXPECT_GE(after.nmi_rescues, before.nmi_rescues + 1);
    EXPECT_GE(event_total(EVENT_TLB_NMI), nmis + 1);
    atomic_store(&let_go, true);
    on_idle_end(&o, 1);
    EXPECT_EQ(tlb_area_read(&a, cpu), TLB_AREA_FAULT);
    tlb_area_give_back(&a);
}

static u32 deaf_cpu;
static atomic_bool make_deaf;

/* In an NMI no other NMI comes: here a CPU is as good as dead. */
static bool deaf_in_nmi(struct trap_frame *frame)
{
    (void)frame;
    if (cpu_number() != deaf_cpu || !atomic_exchange(&make_deaf, false))
        return false;
    hold();
    return true;
}

/* A CPU that answers nothing: the shoot-down fails, says which CPU, and counts; later ones work. */
KTEST(tlb, a_dead_cpu_fails_the_shootdown)
{
    u64 va = VAREA_BASE + VAREA_SIZE / 2;
    struct tlb_stats before, after;

    if (cpus_online() < 2) {
        ktest_skip("needs 2 CPUs");
        return;
    }
    REQUIRE_EQ(nmi_register(deaf_in_nmi), 0);
    ktest_expect_event(EVENT_TLB_NMI);
    ktest_expect_lines();
    deaf_cpu = cpumap_next(&cpu_map, CPU_ONLINE, 1);
    tlb_stats_read(&before);
    atomic_store(&let_go, false);
    atomic_store(&make_deaf, true);
    apic_send(cpu_map.apic_id[deaf_cpu], APIC_NMI);
    EXPECT_TRUE(wait_held(true));
    EXPECT_EQ(shoot_with_deadline(va, 20), -ETIMEDOUT);
    tlb_stats_read(&after);
    EXPECT_EQ(after.failures, before.failures + 1);
    atomic_store(&let_go, true);
    EXPECT_TRUE(wait_held(false));
    EXPECT_EQ(tlb_shootdown(va, va + PAGE_SIZE), 0);
}

/* ---- what it costs --------------------------------------------------------------------------- */

/* Ticks, which are instructions under -icount: a note, not a judgement. */
KTEST(tlb, cost)
{
    u64 va = VAREA_BASE + VAREA_SIZE / 2, one = ~0ULL, all = ~0ULL;
    u32 n = cpus_online();

    for (u32 i = 0; i < 10; i++) {
        u64 t[3];

        t[0] = rdtsc();
        EXPECT_EQ(tlb_shootdown(va, va + PAGE_SIZE), 0);
        t[1] = rdtsc();
        EXPECT_EQ(tlb_shootdown_all(), 0);
        t[2] = rdtsc();
        one = MIN(one, t[1] - t[0]);
        all = MIN(all, t[2] - t[1]);
    }
    ktest_note("%u CPUs: one page %llu ticks, everything %llu", n, (unsigned long long)one,
               (unsigned long long)all);
}
