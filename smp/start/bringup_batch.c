/*
 * The boot CPU's side of the start; see bringup_batch.h. IPI sequence: SDM vol. 3, 9.4.4.1.
 * SPDX-License-Identifier: MIT
 */
#include "smp/start/bringup_batch.h"
#include "kernel/base/deadline.h"

#include "kernel/base/string.h"

#define DEADLINE_MS         100
#define OLD_INIT_WAIT_MS    10
#define RETRY_INIT_WAIT_MS  10
#define SECOND_STARTUP_US   200
#define CHECKS_PER_DEADLINE 16
#define RETRY_PERCENT       50 /* of the patience, until the second attempt */
#define AGAIN_PERCENT       25 /* the same, until the second start-up IPI of an attempt */
#define SAY_MS              5000

struct bringup_times bringup_default_times(u64 ticks_per_ms, bool hypervisor, bool old_cpu)
{
    u64 factor = hypervisor ? HYPERVISOR_FACTOR : 1;

    return (struct bringup_times){
        .init_wait = old_cpu && !hypervisor ? OLD_INIT_WAIT_MS * ticks_per_ms : 0,
        .retry_init_wait = RETRY_INIT_WAIT_MS * ticks_per_ms,
        .second_startup = hypervisor ? 0 : SECOND_STARTUP_US * ticks_per_ms / 1000,
        .deadline = DEADLINE_MS * ticks_per_ms * factor,
        .say = SAY_MS * ticks_per_ms,
    };
}

bool bringup_old_cpu(const char *vendor, u32 family)
{
    if (memcmp(vendor, "GenuineIntel", 12) == 0)
        return family < 6;
    if (memcmp(vendor, "AuthenticAMD", 12) == 0)
        return family < 0xf;
    if (memcmp(vendor, "HygonGenuine", 12) == 0)
        return family < 0x18;
    return true;
}

static u64 now(const struct bringup_batch *b)
{
    return b->ops->now(b->ctx);
}

static void wait_ticks(const struct bringup_batch *b, u64 ticks)
{
    u64 start = now(b);

    while (now(b) - start < ticks)
        ;
}

static bool missing(const struct smp_record *rec)
{
    return bringup_state(rec) != BRING_ONLINE;
}

static void send_init_all(const struct bringup_batch *b)
{
    for (u32 i = 0; i < b->n; i++)
        if (bringup_hold(&b->rec[i]))
            b->ops->send_init(b->ctx, b->rec[i].apic_id);
}

/*
 * Fault injection: as if the host had kept an earlier start-up IPI until after the INIT. Waits, so
 * that the processors are there before the offer.
 */
static void send_early_startups(const struct bringup_batch *b)
{
    for (u32 i = 0; i < b->n; i++) {
        const struct smp_record *rec = &b->rec[i];
        u64 start = now(b);

        if (!rec->early || !missing(rec))
            continue;
        b->ops->send_startup(b->ctx, rec->apic_id);
        while (!b->ops->arrived(b->ctx, rec) && now(b) - start < b->times.deadline)
            ;
        wait_ticks(b, b->times.retry_init_wait);
    }
}

static void send_startup(const struct bringup_batch *b, const struct smp_record *rec)
{
    if (!rec->silent && !rec->early)
        b->ops->send_startup(b->ctx, rec->apic_id);
}

/*
 * All records are offered before the first start-up IPI. In x2APIC mode a start-up for APIC id 255
 * is a broadcast to processors still in xAPIC mode, and a processor that finds no offer halts.
 */
static void send_startup_all(const struct bringup_batch *b, u32 attempt)
{
    for (u32 i = 0; i < b->n; i++) {
        if (!missing(&b->rec[i]))
            continue;
        b->ops->forget_arrival(b->ctx, &b->rec[i]);
        bringup_offer(&b->rec[i], attempt);
    }
    for (u32 i = 0; i < b->n; i++)
        if (missing(&b->rec[i]))
            send_startup(b, &b->rec[i]);
}

static bool is_silent(const struct bringup_batch *b, const struct smp_record *rec)
{
    return bringup_stage(rec) == STAGE_NONE && !b->ops->arrived(b->ctx, rec);
}

/* The highest stage of all attempts. */
static u32 highest_stage(const struct bringup_batch *b, const struct smp_record *rec)
{
    u32 stage = MAX((u32)rec->best, (u32)bringup_stage(rec));

    if (bringup_state(rec) == BRING_ONLINE)
        return STAGES;
    return stage == STAGE_NONE && b->ops->arrived(b->ctx, rec) ? STAGE_REAL_MODE : stage;
}

/* The sum of the highest stages. It grows only when a processor reaches a new one. */
static u64 progress(const struct bringup_batch *b)
{
    u64 sum = 0;

    for (u32 i = 0; i < b->n; i++)
        sum += highest_stage(b, &b->rec[i]);
    return sum;
}

/* Over both attempts. */
struct wait {
    struct patience patience;
    u64 seen;    /* progress() at the last progress */
    u64 checked; /* when progress() was asked last */
    u64 said;    /* when still_waiting() was called last, or the last progress */
};

static u32 count_missing(const struct bringup_batch *b)
{
    u32 count = 0;

    for (u32 i = 0; i < b->n; i++)
        count += missing(&b->rec[i]);
    return count;
}

/*
 * Reads all records only a few times per deadline, so as not to disturb the processors' cache
 * lines.
 */
static void check_progress(const struct bringup_batch *b, struct wait *w, u64 t)
{
    u64 p;

    if (t - w->checked <= b->times.deadline / CHECKS_PER_DEADLINE)
        return;
    w->checked = t;
    p = progress(b);
    if (p > w->seen) {
        w->seen = p;
        w->said = t;
        patience_progress(&w->patience, t);
    } else if (t - w->said > b->times.say) {
        w->said = t;
        if (b->ops->still_waiting)
            b->ops->still_waiting(b->ctx, count_missing(b), t - w->patience.since);
    }
}

/* Waits until all are online (true), or `percent` of the patience is over; polls one record. */
static bool wait_online(const struct bringup_batch *b, struct wait *w, u32 percent)
{
    u32 i = 0;

    for (;;) {
        u64 t;

        while (i < b->n && !missing(&b->rec[i]))
            i++;
        t = now(b);
        if (i == b->n) {
            patience_progress(&w->patience, t);
            return true;
        }
        check_progress(b, w, t);
        if (patience_over_part(&w->patience, t, percent)) {
            /* The last look may be old. */
            w->checked = 0;
            check_progress(b, w, t);
            if (w->patience.since != t)
                return false;
        }
    }
}

/* The time between two start-up IPIs is short, and no reason to give anybody up. */
static bool wait_ticks_online(const struct bringup_batch *b, u64 ticks)
{
    u64 start = now(b);
    u32 i = 0;

    do {
        while (i < b->n && !missing(&b->rec[i]))
            i++;
        if (i == b->n)
            return true;
    } while (now(b) - start < ticks);
    return false;
}

static void repeat_startup(const struct bringup_batch *b, struct bringup_result *result)
{
    for (u32 i = 0; i < b->n; i++) {
        struct smp_record *rec = &b->rec[i];

        if (!missing(rec) || !is_silent(b, rec))
            continue;
        send_startup(b, rec);
        result->second_startup++;
    }
}

static bool wait_for_second(const struct bringup_batch *b, u32 attempt, struct wait *w)
{
    if (b->times.second_startup)
        return wait_ticks_online(b, b->times.second_startup);
    return wait_online(b, w, AGAIN_PERCENT + (attempt - 1) * RETRY_PERCENT);
}

/* True: all are online. */
static bool run_attempt(const struct bringup_batch *b, u32 attempt, struct wait *w,
                        struct bringup_result *result)
{
    u64 init_wait = attempt == 1 ? b->times.init_wait : b->times.retry_init_wait;
    u64 t[4];

    t[0] = now(b);
    send_init_all(b);
    t[1] = now(b);
    wait_ticks(b, init_wait);
    send_early_startups(b);
    t[2] = now(b);
    send_startup_all(b, attempt);
    t[3] = now(b);
    if (attempt == 1) {
        result->init_ticks = t[1] - t[0];
        result->startup_ticks = t[3] - t[2];
        w->said = w->checked = t[3];
        patience_begin(&w->patience, b->host, b->times.deadline, t[3]);
    }
    if (!wait_for_second(b, attempt, w))
        repeat_startup(b, result);
    return wait_online(b, w, attempt == 1 ? RETRY_PERCENT : 100);
}

/* The arrival byte is the only trace of a processor that never found its record. */
static void note_arrivals(const struct bringup_batch *b)
{
    for (u32 i = 0; i < b->n; i++) {
        struct smp_record *rec = &b->rec[i];

        if (missing(rec) && rec->best == STAGE_NONE && b->ops->arrived(b->ctx, rec))
            rec->best = STAGE_REAL_MODE;
    }
}

static void give_up(const struct bringup_batch *b)
{
    for (u32 i = 0; i < b->n; i++)
        if (bringup_give_up(&b->rec[i]))
            b->ops->send_init(b->ctx, b->rec[i].apic_id);
}

void bringup_run(struct bringup_batch *batch, struct bringup_result *result)
{
    struct wait wait = {0};
    u64 start = now(batch);
    bool done = batch->n == 0;

    *result = (struct bringup_result){0};
    for (u32 attempt = 1; attempt <= BRINGUP_ATTEMPTS && !done; attempt++) {
        if (attempt > 1)
            result->retried = count_missing(batch);
        done = run_attempt(batch, attempt, &wait, result);
        if (!done)
            note_arrivals(batch);
    }
    if (!done)
        give_up(batch);
    result->silent_ticks = done ? 0 : now(batch) - wait.patience.since;
    result->given_up = count_missing(batch);
    result->online = batch->n - result->given_up;
    result->total_ticks = now(batch) - start;
}
