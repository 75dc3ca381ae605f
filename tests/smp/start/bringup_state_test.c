/*
 * The record of one processor's start: transitions, texts, and the race between a late claim and
 * the boot CPU that gives up.
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <string.h>
#include "kernel/base/ktest.h"
#include "smp/start/bringup_fault.h"
#include "smp/start/bringup_state.h"
#include "tests/host/shim.h"

static struct smp_record rec;

static u32 ticket_of(const struct smp_record *r)
{
    return atomic_load(&r->word);
}

static void offer(u32 attempt)
{
    EXPECT_TRUE(bringup_hold(&rec));
    bringup_offer(&rec, attempt);
}

static void fresh(void)
{
    bringup_record_init(&rec, 5, 0x25);
}

KTEST(bringup_state, an_offer_can_be_claimed_once)
{
    u32 ticket;

    fresh();
    EXPECT_EQ(bringup_state(&rec), BRING_IDLE);
    offer(1);
    ticket = ticket_of(&rec);
    EXPECT_TRUE(bringup_ticket_valid(ticket));
    EXPECT_TRUE(bringup_claim(&rec, ticket));
    EXPECT_EQ(bringup_state(&rec), BRING_ONLINE);
    EXPECT_FALSE(bringup_claim(&rec, ticket));
    EXPECT_FALSE(bringup_give_up(&rec));
    EXPECT_FALSE(bringup_hold(&rec));
}

KTEST(bringup_state, a_late_processor_never_runs)
{
    u32 ticket;

    fresh();
    offer(1);
    ticket = ticket_of(&rec);
    EXPECT_TRUE(bringup_give_up(&rec));
    EXPECT_FALSE(bringup_claim(&rec, ticket));
    EXPECT_FALSE(bringup_ticket_valid(ticket_of(&rec)));
    EXPECT_FALSE(bringup_claim(&rec, ticket_of(&rec)));
}

KTEST(bringup_state, an_earlier_attempt_cannot_claim_the_next)
{
    u32 first;

    fresh();
    offer(1);
    first = ticket_of(&rec);
    EXPECT_TRUE(bringup_hold(&rec));
    EXPECT_FALSE(bringup_claim(&rec, first));
    bringup_offer(&rec, 2);
    EXPECT_FALSE(bringup_claim(&rec, first));
    EXPECT_TRUE(bringup_claim(&rec, ticket_of(&rec)));
}

KTEST(bringup_state, only_an_offer_is_a_ticket)
{
    fresh();
    EXPECT_FALSE(bringup_claim(&rec, ticket_of(&rec)));
    EXPECT_TRUE(bringup_hold(&rec));
    EXPECT_FALSE(bringup_claim(&rec, ticket_of(&rec)));
}

KTEST(bringup_state, the_best_stage_of_all_attempts_is_kept)
{
    char text[80];

    fresh();
    offer(1);
    EXPECT_TRUE(bringup_reach(&rec, STAGE_LONG_MODE));
    offer(2);
    EXPECT_EQ(bringup_stage(&rec), STAGE_NONE);
    bringup_reach(&rec, STAGE_PROTECTED_MODE);
    EXPECT_TRUE(bringup_give_up(&rec));
    bringup_failure_text(&rec, text, sizeof(text));
    EXPECT_STREQ(text, "smp: CPU 5 (APIC 0x25) stopped at stage 3 (long mode)");
}

KTEST(bringup_state, texts)
{
    char text[80];

    bringup_record_init(&rec, 5, 5);
    bringup_failure_text(&rec, text, sizeof(text));
    EXPECT_STREQ(text, "smp: CPU 5 (APIC 0x05) did not answer");
    bringup_record_init(&rec, 300, 0x12c);
    rec.best = STAGE_REAL_MODE;
    bringup_failure_text(&rec, text, sizeof(text));
    EXPECT_STREQ(text, "smp: CPU 300 (APIC 0x12c) stopped at stage 1 (real mode)");
    bringup_summary_text(4, 8, text, sizeof(text));
    EXPECT_STREQ(text, "smp: Brought up 4 nodes, 8 CPUs");
    bringup_summary_text(1, 1, text, sizeof(text));
    EXPECT_STREQ(text, "smp: Brought up 1 node, 1 CPU");
    EXPECT_STREQ(bringup_stage_name(STAGES), "unknown");
}

KTEST(bringup_state, fault_injection_stops_at_its_stage)
{
    fresh();
    rec.stop_at = STAGE_TABLES;
    EXPECT_TRUE(bringup_reach(&rec, STAGE_KERNEL));
    EXPECT_FALSE(bringup_reach(&rec, STAGE_TABLES));
    EXPECT_EQ(bringup_stage(&rec), STAGE_TABLES);
}

/* ---- the race: one thread claims, the other gives up, thousands of times --------------------- */

#define ROUNDS 20000

static _Atomic u32 round_no, answered;
static _Atomic bool claimed;

static void *claimer(void *arg)
{
    (void)arg;
    for (u32 i = 1; i <= ROUNDS; i++) {
        while (atomic_load(&round_no) != i)
            ;
        atomic_store(&claimed, bringup_claim(&rec, BRING_WORD(1, BRING_OFFERED)));
        atomic_store(&answered, i);
    }
    return NULL;
}

KTEST(bringup_state, exactly_one_side_wins_the_race)
{
    u32 given_up = 0, wrong = 0;
    pthread_t thread;

    atomic_store(&round_no, 0);
    atomic_store(&answered, 0);
    pthread_create(&thread, NULL, claimer, NULL);
    for (u32 i = 1; i <= ROUNDS; i++) {
        bool gave_up;

        fresh();
        offer(1);
        atomic_store(&round_no, i);
        for (volatile u32 spin = 0; spin < i % 64; spin++)
            ;
        gave_up = bringup_give_up(&rec);
        while (atomic_load(&answered) != i)
            ;
        given_up += gave_up;
        wrong += gave_up == atomic_load(&claimed);
        wrong += bringup_state(&rec) != (gave_up ? BRING_GIVEN_UP : BRING_ONLINE);
    }
    pthread_join(thread, NULL);
    EXPECT_EQ(wrong, 0);
    ktest_note("given up %u times of %u", given_up, ROUNDS);
}

/* ---- fail= ----------------------------------------------------------------------------------- */

static int parse(const char *item, struct smp_fault *fault)
{
    *fault = (struct smp_fault){0};
    return smp_fault_parse(item, strlen(item), fault);
}

KTEST(bringup_fault, items)
{
    struct smp_fault f;

    EXPECT_EQ(parse("ap_silent:5", &f), 0);
    EXPECT_EQ(f.cpu, 5);
    EXPECT_EQ(f.stop_at, STAGE_NONE);
    EXPECT_FALSE(f.early);
    EXPECT_EQ(parse("ap_early:7", &f), 0);
    EXPECT_EQ(f.cpu, 7);
    EXPECT_EQ(f.stop_at, STAGE_NONE);
    EXPECT_TRUE(f.early);
    EXPECT_EQ(parse("ap_stage:6:3", &f), 0);
    EXPECT_EQ(f.cpu, 6);
    EXPECT_EQ(f.stop_at, STAGE_LONG_MODE);
    EXPECT_EQ(parse("ap_stage:4095:6", &f), 0);
    EXPECT_EQ(f.cpu, 4095);
    EXPECT_EQ(f.last, 4095);
    EXPECT_EQ(parse("ap_silent:100-144", &f), 0);
    EXPECT_EQ(f.cpu, 100);
    EXPECT_EQ(f.last, 144);
    EXPECT_EQ(parse("ap_stage:6-6:3", &f), 0);
    EXPECT_EQ(f.last, 6);
    EXPECT_EQ(f.stop_at, STAGE_LONG_MODE);
}

KTEST(bringup_fault, refused)
{
    static const char *const bad[] = {
        "ap_silent:",
        "ap_silent:x",
        "ap_silent:4096",
        "ap_silent:5-",
        "ap_silent:5-4",
        "ap_silent:5-4096",
        "ap_silent:5-6-7",
        "ap_silent:-6",
        "ap_stage:5-6",
        "ap_silent:5:1",
        "ap_early:",
        "ap_early:7:1",
        "ap_silent:99999999999999999999",
        "ap_stage:6",
        "ap_stage:6:",
        "ap_stage:6:0",
        "ap_stage:6:7",
        "ap_stage::3",
        "ap_stage:6:3x",
    };
    struct smp_fault f;

    for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
        EXPECT_EQ(parse(bad[i], &f), -EINVAL);
    EXPECT_EQ(parse("alloc:5", &f), -ENOENT);
    EXPECT_EQ(parse("", &f), -ENOENT);
    EXPECT_EQ(smp_fault_parse("ap_silent:55", 11, &f), 0); /* the length counts, not a NUL */
    EXPECT_EQ(f.cpu, 5);
}
