/*
 * CPUs that park and wake while all of them unmap, shoot down, reuse and read pages: a machine of
 * threads with page tables and TLBs in software. A CPU fills its TLB also while it is halted, as a
 * real one may. No CPU may ever reach a frame that belongs to another page by then.
 * Also run under TSan.
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "kernel/base/ktest.h"
#include "smp/call/call_core.h"
#include "smp/run/park_core.h"
#include "smp/start/cpumap.h"

#define CPUS   4
#define PAGES  8
#define FRAMES (PAGES + 1) /* one is always free */
#define PARKS  3000
#define NONE   0xffu

static struct cpumap map;
static struct call_cpu calls[NR_CPUS];
static struct park_cpu parks[CPUS];
static _Atomic bool irq[NR_CPUS], stop;

static _Atomic u32 table[PAGES];     /* page -> frame or NONE */
static _Atomic u32 owner[FRAMES];    /* frame -> page, changed only after the shoot-down */
static _Atomic bool changing[PAGES]; /* one changes a page at a time */
static _Atomic u32 free_frame;       /* NONE while somebody holds it */
static _Atomic u32 done, stale, failures, shootdowns, ran_offline, refused;
static u8 tlb[CPUS][PAGES];
static __thread u32 self;
static __thread unsigned int seed;

static u32 dice(u32 n)
{
    return (u32)rand_r(&seed) % n;
}

/* ---- the machine ----------------------------------------------------------------------------- */

static struct call_cpu *t_of(void *ctx, u32 cpu)
{
    (void)ctx;
    return &calls[cpu];
}

static void t_kick(void *ctx, u32 cpu)
{
    (void)ctx;
    atomic_store(&irq[cpu], true);
}

static void t_nmi(void *ctx, u32 cpu)
{
    (void)ctx;
    (void)cpu;
}

static u64 t_now(void *ctx)
{
    struct timespec t;

    (void)ctx;
    sched_yield();
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

static struct call_ops ops;

static void t_serve(void *ctx)
{
    (void)ctx;
    call_serve(&ops, self);
}

static bool t_online(void *ctx, u32 cpu)
{
    (void)ctx;
    return cpumap_test(&map, CPU_ONLINE, cpu);
}

static struct call_ops ops = {.of = t_of,
                              .kick = t_kick,
                              .nmi = t_nmi,
                              .now = t_now,
                              .serve = t_serve,
                              .online = t_online,
                              .deadline = {30000000000ULL, NULL}};

static void poll_irq(void)
{
    if (atomic_exchange(&irq[self], false))
        call_serve(&ops, self);
}

static void drop_page(void *arg)
{
    if (!t_online(NULL, self))
        atomic_fetch_add(&ran_offline, 1);
    tlb[self][*(u32 *)arg] = NONE;
}

static void drop_all(void *ctx)
{
    (void)ctx;
    memset(tlb[self], NONE, PAGES);
}

static void fill(u32 page)
{
    if (tlb[self][page] == NONE)
        tlb[self][page] = (u8)atomic_load(&table[page]);
}

/* Uses a page: what the TLB says must still belong to it. */
static void touch(u32 page)
{
    fill(page);
    if (tlb[self][page] != NONE && atomic_load(&owner[tlb[self][page]]) != page)
        atomic_fetch_add(&stale, 1);
}

/* ---- what CPUs do ---------------------------------------------------------------------------- */

static void shoot(u32 page)
{
    u64 words[CALL_WORDS];
    struct call_result result;
    struct call_targets targets = {.words = words, .nr = CPUS};

    cpumap_snapshot(&map, CPU_ONLINE, words);
    words[0] &= ~(1ULL << self);
    tlb[self][page] = NONE;
    if (call_run(&ops, self, &targets, &(struct call_request){drop_page, &page, sizeof(page)},
                 &result))
        atomic_fetch_add(&failures, 1);
    atomic_fetch_add(&refused, result.refused);
    atomic_fetch_add(&shootdowns, 1);
}

/* Takes a page's frame away, and gives the free one to it; the old one is free for anybody. */
static void change(u32 page)
{
    u32 frame, old;

    if (atomic_exchange(&changing[page], true))
        return;
    frame = atomic_exchange(&free_frame, NONE);
    if (frame != NONE) {
        old = atomic_exchange(&table[page], NONE);
        shoot(page);
        atomic_store(&owner[old], NONE);
        atomic_store(&owner[frame], page);
        atomic_store(&table[page], frame);
        atomic_store(&free_frame, old);
    }
    atomic_store(&changing[page], false);
}

static void work(void)
{
    poll_irq();
    if (dice(8) == 0)
        change(dice(PAGES));
    else
        touch(dice(PAGES));
    if (dice(16) == 0)
        sched_yield();
}

static void t_leave(void *ctx, u32 cpu)
{
    (void)ctx;
    cpumap_clear(&map, CPU_ONLINE, cpu);
}

static void t_refuse(void *ctx, u32 cpu)
{
    (void)ctx;
    call_refuse(&ops, cpu, CPUS);
}

static void t_halt(void *ctx, const struct park_cpu *p)
{
    (void)ctx;
    (void)p;
    fill(dice(PAGES));
    sched_yield();
}

static void t_enter(void *ctx, u32 cpu)
{
    (void)ctx;
    for (u32 page = 0; page < PAGES; page++)
        fill(page);
    sched_yield();
    cpumap_set(&map, CPU_ONLINE, cpu);
}

static const struct park_ops park_ops = {t_leave, t_refuse, t_halt, t_enter, drop_all, NULL};

/* The last shoot-downs of the others wait for us. */
static void finish(void)
{
    atomic_fetch_add(&done, 1);
    while (atomic_load(&done) != CPUS) {
        poll_irq();
        sched_yield();
    }
}

static void *cpu_thread(void *arg)
{
    struct park_cpu *p = &parks[(uintptr_t)arg];

    self = (u32)(uintptr_t)arg;
    seed = self;
    drop_all(NULL);
    while (!atomic_load(&stop)) {
        work();
        if (!park_step(p, PARK_ASKED, PARK_LEAVING))
            continue;
        park_stay(p, self, &park_ops);
        call_serve(&ops, self);
        park_step(p, PARK_WAKING, PARK_RUNNING);
    }
    finish();
    return NULL;
}

/* CPU 0 parks the others and wakes them, and works in between. */
static void park_and_wake(void)
{
    struct park_cpu *p = &parks[1 + dice(CPUS - 1)];

    if (park_step(p, PARK_RUNNING, PARK_ASKED))
        while (park_state(p) != PARK_PARKED)
            work();
    for (u32 i = dice(20); i; i--)
        work();
    if (park_step(p, PARK_PARKED, PARK_WAKING))
        while (dice(2) && park_state(p) != PARK_RUNNING)
            work();
}

static void reset(void)
{
    u32 ids[CPUS];

    for (u32 i = 0; i < CPUS; i++)
        ids[i] = i;
    EXPECT_EQ(cpumap_init(&map, ids, CPUS), 0);
    for (u32 i = 0; i < CPUS; i++)
        cpumap_set(&map, CPU_ONLINE, i);
    for (u32 i = 0; i < PAGES; i++) {
        atomic_store(&table[i], i);
        atomic_store(&owner[i], i);
    }
    atomic_store(&owner[PAGES], NONE);
    atomic_store(&free_frame, PAGES);
    self = 0;
    seed = 99;
    drop_all(NULL);
}

KTEST(park_core, nobody_reaches_a_frame_that_was_given_away)
{
    pthread_t threads[CPUS];

    reset();
    for (uintptr_t i = 1; i < CPUS; i++)
        pthread_create(&threads[i], NULL, cpu_thread, (void *)i);
    for (u32 i = 0; i < PARKS; i++)
        park_and_wake();
    for (u32 i = 1; i < CPUS; i++)
        while (park_state(&parks[i]) != PARK_RUNNING)
            work();
    atomic_store(&stop, true);
    finish();
    for (u32 i = 1; i < CPUS; i++)
        pthread_join(threads[i], NULL);
    EXPECT_EQ(stale, 0);
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(ran_offline, 0);
    EXPECT_EQ(cpumap_count(&map, CPU_ONLINE), CPUS);
    ktest_note("%u shoot-downs, %u requests refused", shootdowns, refused);
}

/* ---- one CPU's states ------------------------------------------------------------------------ */

KTEST(park_core, a_step_is_taken_once_and_only_from_its_state)
{
    struct park_cpu p = {PARK_RUNNING};

    EXPECT_FALSE(park_step(&p, PARK_PARKED, PARK_WAKING));
    EXPECT_TRUE(park_step(&p, PARK_RUNNING, PARK_ASKED));
    EXPECT_FALSE(park_step(&p, PARK_RUNNING, PARK_ASKED));
    EXPECT_TRUE(park_step(&p, PARK_ASKED, PARK_RUNNING));
    EXPECT_FALSE(park_step(&p, PARK_ASKED, PARK_LEAVING));
    EXPECT_EQ(park_state(&p), PARK_RUNNING);
}

static char order[64];
static u32 order_len;

static void say(char what)
{
    order[order_len++] = what;
}

static void o_leave(void *ctx, u32 cpu)
{
    (void)ctx;
    say((char)('0' + cpu));
    say('l');
}

static void o_refuse(void *ctx, u32 cpu)
{
    (void)ctx;
    (void)cpu;
    say('r');
}

static void o_halt(void *ctx, const struct park_cpu *p)
{
    say('h');
    if (order_len > 6) /* woken by something else first */
        EXPECT_TRUE(park_step(ctx, PARK_PARKED, PARK_WAKING));
    EXPECT_EQ(p, ctx);
}

static void o_enter(void *ctx, u32 cpu)
{
    (void)ctx;
    (void)cpu;
    say('e');
}

static void o_flush(void *ctx)
{
    (void)ctx;
    say('f');
}

KTEST(park_core, only_the_wake_ends_the_halt_and_the_flush_comes_after_the_entry)
{
    struct park_cpu p = {PARK_LEAVING};
    struct park_ops o = {o_leave, o_refuse, o_halt, o_enter, o_flush, &p};

    order_len = 0;
    park_stay(&p, 3, &o);
    order[order_len] = 0;
    EXPECT_STREQ(order, "3lrhhhhef");
    EXPECT_EQ(park_state(&p), PARK_WAKING);
}
