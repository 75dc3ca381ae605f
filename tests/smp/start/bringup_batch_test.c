/*
 * The batch start against simulated processors in virtual time: each has a delay, a stage at which
 * it stops, a number of start-up IPIs it loses.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>
#include "kernel/base/ktest.h"
#include "smp/start/bringup_batch.h"
#include "tests/host/shim.h"

#define MAX_SIM 64
#define MS      1000ULL /* ticks per millisecond */
#define NEVER   (~0ULL)

struct sim_cpu {
    /* behaviour */
    u64 delay;      /* start-up IPI to its first instruction */
    u64 step;       /* from stage to stage */
    u32 stop_at;    /* stays at this stage; 0: goes on */
    u32 stop_tries; /* only in its first so many runs; 0: in all */
    u32 lose;       /* start-up IPIs that get lost */
    bool deaf;      /* ignores INIT */
    u64 away;       /* until this time its host does not run it; INIT and start-up are kept, once */
    /* state */
    bool waiting; /* after INIT, for a start-up */
    u64 next;     /* when it does its next step */
    u32 stage, ticket, inits, startups, runs;
    bool arrived, halted;
    bool kept_init, kept_startup;
};

static struct sim {
    struct sim_cpu cpu[MAX_SIM];
    struct smp_record rec[MAX_SIM];
    u32 n;
    u64 time;
    u32 broadcast_id; /* a start-up to this APIC id reaches all; 0: none does */
    struct bringup_result result;
} sim;

static struct patience_host host;

static u64 sim_now(void *ctx);

static u32 index_of(u32 apic_id)
{
    for (u32 i = 0; i < sim.n; i++)
        if (sim.rec[i].apic_id == apic_id)
            return i;
    panic("no such processor 0x%x", apic_id);
}

static void get_init(struct sim_cpu *c)
{
    c->waiting = true;
    c->halted = false;
    c->next = NEVER;
}

static void sim_init(void *ctx, u32 apic_id)
{
    struct sim_cpu *c = &sim.cpu[index_of(apic_id)];

    (void)ctx;
    c->inits++;
    if (c->deaf)
        return;
    c->kept_init = sim.time < c->away;
    if (c->kept_init)
        c->next = c->away;
    else
        get_init(c);
}

static void get_startup(struct sim_cpu *c)
{
    if (sim.time < c->away) {
        c->kept_startup = true;
        c->next = c->away;
        return;
    }
    if (!c->waiting)
        return;
    if (c->lose) {
        c->lose--;
        return;
    }
    c->waiting = false;
    c->stage = STAGE_NONE;
    c->runs++;
    c->next = c->delay == NEVER ? NEVER : sim.time + c->delay;
}

static void sim_startup(void *ctx, u32 apic_id)
{
    (void)ctx;
    for (u32 i = 0; i < sim.n; i++)
        if (sim.rec[i].apic_id == apic_id || apic_id == sim.broadcast_id) {
            sim.cpu[i].startups++;
            get_startup(&sim.cpu[i]);
        }
    sim_now(NULL); /* they run while the next is sent */
}

static bool stops(const struct sim_cpu *c, u32 stage)
{
    return c->stop_at == stage && (!c->stop_tries || c->runs <= c->stop_tries);
}

/*
 * Its host runs it again: QEMU hands over one INIT, however many were sent, then a start-up IPI,
 * even one that was sent before that INIT. On a real CPU the latter would be lost.
 */
static bool take_kept(struct sim_cpu *c)
{
    bool init = c->kept_init, startup = c->kept_startup;

    c->kept_init = c->kept_startup = false;
    if (init)
        get_init(c);
    if (startup)
        get_startup(c);
    return init || startup;
}

/* One step of one processor, as the trampoline and smp_ap_main() do them. */
static void step(struct sim_cpu *c, struct smp_record *rec)
{
    if (take_kept(c))
        return;
    c->stage++;
    c->next = sim.time + c->step;
    if (c->stage == STAGE_REAL_MODE) {
        c->arrived = true;
    } else if (c->stage == STAGE_PROTECTED_MODE) {
        c->ticket = atomic_load(&rec->word);
        if ((c->ticket & 0xff) == BRING_HELD) { /* it looks again */
            c->stage--;
            return;
        }
        if (!bringup_ticket_valid(c->ticket)) {
            c->halted = true;
            c->next = NEVER;
            return;
        }
    }
    if (c->stage == STAGE_ONLINE) {
        c->halted = !bringup_claim(rec, c->ticket);
        c->next = NEVER;
        if (!c->halted)
            bringup_reach(rec, STAGE_ONLINE);
        return;
    }
    if (c->stage >= STAGE_PROTECTED_MODE)
        bringup_reach(rec, c->stage);
    if (stops(c, c->stage))
        c->next = NEVER;
}

/* Reading the clock lets 10 ticks pass, and lets the processors whose time has come act. */
static u64 sim_now(void *ctx)
{
    (void)ctx;
    sim.time += 10;
    for (u32 i = 0; i < sim.n; i++)
        while (sim.cpu[i].next <= sim.time)
            step(&sim.cpu[i], &sim.rec[i]);
    return sim.time;
}

static bool sim_arrived(void *ctx, const struct smp_record *rec)
{
    (void)ctx;
    return sim.cpu[rec - sim.rec].arrived;
}

static void sim_forget(void *ctx, const struct smp_record *rec)
{
    (void)ctx;
    sim.cpu[rec - sim.rec].arrived = false;
}

static const struct bringup_ops sim_ops = {
    .send_init = sim_init,
    .send_startup = sim_startup,
    .now = sim_now,
    .arrived = sim_arrived,
    .forget_arrival = sim_forget,
};

static void setup(u32 n)
{
    memset(&sim, 0, sizeof(sim));
    host = (struct patience_host){.gap = MS};
    sim.n = n;
    for (u32 i = 0; i < n; i++) {
        sim.cpu[i] = (struct sim_cpu){.delay = 50, .step = 10, .next = NEVER};
        bringup_record_init(&sim.rec[i], i + 1, 2 * i + 1);
    }
}

static void run(bool hypervisor)
{
    struct bringup_batch batch = {
        .rec = sim.rec,
        .n = sim.n,
        .ops = &sim_ops,
        .times = bringup_default_times(MS, hypervisor, false),
        .host = hypervisor ? &host : NULL,
    };

    bringup_run(&batch, &sim.result);
}

static const char *text_of(u32 i)
{
    static char text[80];

    bringup_failure_text(&sim.rec[i], text, sizeof(text));
    return text;
}

KTEST(bringup_batch, all_come_with_one_init_and_one_startup)
{
    setup(MAX_SIM);
    run(false);
    EXPECT_EQ(sim.result.online, MAX_SIM);
    EXPECT_EQ(sim.result.given_up, 0);
    EXPECT_EQ(sim.result.second_startup, 0);
    EXPECT_EQ(sim.result.retried, 0);
    EXPECT_LT(sim.result.total_ticks, 5 * MS);
    for (u32 i = 0; i < sim.n; i++) {
        EXPECT_EQ(sim.cpu[i].inits, 1);
        EXPECT_EQ(sim.cpu[i].startups, 1);
    }
}

KTEST(bringup_batch, nobody_to_start)
{
    setup(0);
    run(false);
    EXPECT_EQ(sim.result.online, 0);
    EXPECT_LT(sim.result.total_ticks, 100);
}

KTEST(bringup_batch, a_lost_startup_is_repeated_to_the_silent_one_only)
{
    setup(8);
    sim.cpu[3].lose = 1;
    run(false);
    EXPECT_EQ(sim.result.online, 8);
    EXPECT_EQ(sim.result.second_startup, 1);
    EXPECT_EQ(sim.cpu[3].startups, 2);
    EXPECT_EQ(sim.cpu[4].startups, 1);
    EXPECT_EQ(sim.result.retried, 0);
}

/*
 * A host that runs one processor after the other, each later than a second start-up IPI on a real
 * machine: none is sent. A lost one is repeated there too, when nobody makes progress any more.
 */
KTEST(bringup_batch, under_a_hypervisor_only_standstill_repeats_a_startup)
{
    setup(16);
    for (u32 i = 0; i < sim.n; i++)
        sim.cpu[i].delay = (i + 1) * 300 * MS;
    run(true);
    EXPECT_EQ(sim.result.online, 16);
    EXPECT_EQ(sim.result.second_startup, 0);
    setup(16);
    sim.cpu[3].lose = 1;
    run(true);
    EXPECT_EQ(sim.result.online, 16);
    EXPECT_EQ(sim.result.second_startup, 1);
    EXPECT_EQ(sim.result.retried, 0);
    EXPECT_LT(sim.result.total_ticks, 700 * MS);
}

KTEST(bringup_batch, dead_ones_cost_one_deadline_in_all)
{
    setup(16);
    sim.cpu[4].delay = NEVER;
    sim.cpu[9].delay = NEVER;
    sim.cpu[11].deaf = true;
    run(false);
    EXPECT_EQ(sim.result.online, 13);
    EXPECT_EQ(sim.result.given_up, 3);
    EXPECT_EQ(sim.result.retried, 3);
    EXPECT_STREQ(text_of(4), "smp: CPU 5 (APIC 0x09) did not answer");
    EXPECT_GE(sim.result.total_ticks, 100 * MS);
    EXPECT_LT(sim.result.total_ticks, 110 * MS);
    EXPECT_GE(sim.result.silent_ticks, 100 * MS);
    EXPECT_LE(sim.result.silent_ticks, sim.result.total_ticks);
    EXPECT_TRUE(sim.cpu[4].waiting); /* put back to INIT */
    EXPECT_EQ(sim.cpu[4].inits, 3);
    EXPECT_EQ(bringup_state(&sim.rec[4]), BRING_GIVEN_UP);
}

KTEST(bringup_batch, who_stops_is_named_with_the_stage)
{
    setup(8);
    sim.cpu[5].stop_at = STAGE_LONG_MODE;
    sim.cpu[6].stop_at = STAGE_REAL_MODE;
    run(false);
    EXPECT_EQ(sim.result.online, 6);
    EXPECT_STREQ(text_of(5), "smp: CPU 6 (APIC 0x0b) stopped at stage 3 (long mode)");
    EXPECT_STREQ(text_of(6), "smp: CPU 7 (APIC 0x0d) stopped at stage 1 (real mode)");
    EXPECT_EQ(sim.result.second_startup, 0); /* both had answered */
    EXPECT_EQ(sim.cpu[5].runs, 2);
    /* To come to the same stage in the second attempt is no progress. */
    EXPECT_LT(sim.result.total_ticks, 110 * MS);
}

/* The dead and the stuck, one deadline for all, also where it is 20 times as long. */
KTEST(bringup_batch, one_deadline_whatever_they_do)
{
    setup(32);
    for (u32 i = 0; i < sim.n; i++) {
        sim.cpu[i].stop_at = i % STAGES;
        sim.cpu[i].delay = i % 5 ? 50 : NEVER;
    }
    run(true);
    EXPECT_GE(sim.result.given_up, 20);
    EXPECT_GE(sim.result.total_ticks, 2000 * MS);
    EXPECT_LT(sim.result.total_ticks, 2200 * MS);
}

/*
 * An INIT that finds the processor in SMM is answered late, and the start-up before that is lost.
 */
KTEST(bringup_batch, who_needs_the_second_init_comes_within_the_deadline)
{
    setup(8);
    sim.cpu[1].lose = 2;
    run(false);
    EXPECT_EQ(sim.result.online, 8);
    EXPECT_EQ(sim.result.retried, 1);
    EXPECT_EQ(sim.cpu[1].inits, 2);
    EXPECT_LT(sim.result.total_ticks, 80 * MS);
    EXPECT_EQ(sim.result.silent_ticks, 0);
}

/* Up to half a deadline nobody is disturbed. */
KTEST(bringup_batch, a_slow_one_gets_one_init)
{
    setup(8);
    sim.cpu[6].delay = 45 * MS;
    run(false);
    EXPECT_EQ(sim.result.online, 8);
    EXPECT_EQ(sim.cpu[6].inits, 1);
    EXPECT_EQ(sim.cpu[6].runs, 1);
}

/* Stages are read a few times per deadline only; who has come on since the last time is alive. */
KTEST(bringup_batch, the_last_look_decides)
{
    for (u64 at = 40 * MS; at < 56 * MS; at += MS / 4) {
        setup(8);
        sim.cpu[6].delay = at;
        sim.cpu[6].step = 4 * MS;
        run(false);
        EXPECT_EQ(sim.result.online, 8);
        EXPECT_EQ(sim.cpu[6].inits, 1);
    }
}

KTEST(bringup_batch, a_retry_succeeds)
{
    setup(8);
    sim.cpu[2].stop_at = STAGE_TABLES;
    sim.cpu[2].stop_tries = 1;
    run(false);
    EXPECT_EQ(sim.result.online, 8);
    EXPECT_EQ(sim.result.retried, 1);
    EXPECT_EQ(sim.cpu[2].runs, 2);
    EXPECT_EQ(sim.cpu[3].inits, 1); /* who is online gets no INIT */
}

KTEST(bringup_batch, slow_progress_restarts_the_deadline)
{
    setup(32);
    for (u32 i = 0; i < sim.n; i++)
        sim.cpu[i].away = (u64)i * 1500 * MS; /* 48 s in all, never 2 s without progress */
    run(true);
    EXPECT_EQ(sim.result.online, 32);
    EXPECT_GE(sim.result.total_ticks, 31 * 1500 * MS);
}

KTEST(bringup_batch, under_a_hypervisor_two_seconds_of_silence_are_borne)
{
    setup(2);
    sim.cpu[1].away = 1990 * MS;
    run(true);
    EXPECT_EQ(sim.result.online, 2);
    EXPECT_EQ(sim.result.given_up, 0);
}

/*
 * Its host runs it again around the second INIT: before, between it and the start-up IPI that
 * follows, or after. That start-up IPI it ignores, as it runs already.
 */
KTEST(bringup_batch, no_startup_is_lost_around_the_second_init)
{
    u32 retried = 0;

    for (u64 away = 1100 * MS; away < 1160 * MS; away += MS / 2) {
        setup(2);
        sim.cpu[1].away = away;
        run(true);
        EXPECT_EQ(sim.result.online, 2);
        EXPECT_EQ(sim.cpu[1].runs, 1);
        retried += sim.result.retried;
    }
    EXPECT_TRUE(retried > 0);
}

KTEST(bringup_batch, an_early_startup_waits_for_the_offer)
{
    setup(4);
    sim.rec[2].early = true;
    run(false);
    EXPECT_EQ(sim.result.online, 4);
    EXPECT_EQ(sim.result.retried, 0);
    EXPECT_EQ(sim.cpu[2].startups, 1);
}

/* A busy host: one comes after 1.5 s, so another may take several times as long. */
KTEST(bringup_batch, who_came_late_shows_what_is_late)
{
    setup(3);
    sim.cpu[1].away = 1500 * MS;
    sim.cpu[2].away = 9000 * MS;
    run(true);
    EXPECT_EQ(sim.result.online, 3);
    EXPECT_GE(host.slowest, 1400 * MS);
}

/* It wakes up after it was given up, deaf to the INIT that should have stopped it. */
KTEST(bringup_batch, a_late_processor_is_refused)
{
    setup(4);
    sim.cpu[1].delay = 60 * 1000 * MS;
    sim.cpu[1].waiting = true;
    sim.cpu[1].deaf = true;
    run(false);
    EXPECT_EQ(sim.result.online, 3);
    sim.time += 120 * 1000 * MS;
    for (u32 i = 0; i < 10; i++)
        sim_now(NULL);
    EXPECT_TRUE(sim.cpu[1].halted);
    EXPECT_EQ(bringup_state(&sim.rec[1]), BRING_GIVEN_UP);
}

KTEST(bringup_batch, a_startup_that_reaches_all_is_harmless)
{
    setup(16);
    for (u32 i = 0; i < sim.n; i++)
        sim.cpu[i].delay = sim.cpu[i].step = 0;
    sim.broadcast_id = sim.rec[3].apic_id;
    run(false);
    EXPECT_EQ(sim.result.online, 16);
    EXPECT_EQ(sim.result.retried, 0);
}

KTEST(bringup_batch, fault_injection_sends_no_startup)
{
    setup(4);
    sim.rec[2].silent = true;
    run(false);
    EXPECT_EQ(sim.cpu[2].startups, 0);
    EXPECT_EQ(sim.result.given_up, 1);
}

KTEST(bringup_batch, times)
{
    struct bringup_times t = bringup_default_times(MS, false, true);

    EXPECT_EQ(t.init_wait, 10 * MS);
    EXPECT_EQ(t.deadline, 100 * MS);
    t = bringup_default_times(MS, true, true);
    EXPECT_EQ(t.init_wait, 0);
    EXPECT_EQ(t.deadline, 2000 * MS);
    EXPECT_EQ(bringup_default_times(MS, false, false).init_wait, 0);
}

KTEST(bringup_batch, old_processors)
{
    EXPECT_TRUE(bringup_old_cpu("GenuineIntel", 5));
    EXPECT_FALSE(bringup_old_cpu("GenuineIntel", 6));
    EXPECT_TRUE(bringup_old_cpu("AuthenticAMD", 6));
    EXPECT_FALSE(bringup_old_cpu("AuthenticAMD", 0xf));
    EXPECT_FALSE(bringup_old_cpu("AuthenticAMD", 0x19));
    EXPECT_FALSE(bringup_old_cpu("HygonGenuine", 0x18));
    EXPECT_TRUE(bringup_old_cpu("CentaurHauls", 6));
}
