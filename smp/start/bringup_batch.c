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

struct bringup_times bringup_default_times(u64 ticks_per_ms, bool hypervisor, bool old_cpu)
{
    u64 factor = hypervisor ? HYPERVISOR_FACTOR : 1;

    return (struct bringup_times){
        .init_wait = old_cpu && !hypervisor ? OLD_INIT_WAIT_MS * ticks_per_ms : 0,
        .retry_init_wait = RETRY_INIT_WAIT_MS * ticks_per_ms,
        .second_startup = SECOND_STARTUP_US * ticks_per_ms / 1000 * factor,
        .retry = DEADLINE_MS * ticks_per_ms * factor / 2,
        .deadline = DEADLINE_MS * ticks_per_ms * factor,
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

static void send_startup(const struct bringup_batch *b, const struct smp_record *rec)
{
    if (!rec->silent)
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

/* For the batch's deadline, over both attempts: time and progress() of the last progress. */
struct silence {
    u64 since, seen;
};

/*
 * Waits until all are online (true), or there was no progress for `ticks`. It polls one record, and
 * reads all records only a few times per deadline, so as not to disturb the processors' cache
 * lines.
 */
static bool wait_online(const struct bringup_batch *b, struct silence *s, u64 ticks)
{
    u64 checked = now(b);
    u32 i = 0;

    for (;;) {
        u64 t, p;

        while (i < b->n && !missing(&b->rec[i]))
            i++;
        if (i == b->n)
            return true;
        t = now(b);
        if (t - checked <= ticks / CHECKS_PER_DEADLINE)
            continue;
        checked = t;
        p = progress(b);
        if (p > s->seen)
            *s = (struct silence){t, p};
        else if (t - s->since > ticks)
            return false;
    }
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

/* True: all are online. */
static bool run_attempt(const struct bringup_batch *b, u32 attempt, struct silence *s,
                        struct bringup_result *result)
{
    u64 init_wait = attempt == 1 ? b->times.init_wait : b->times.retry_init_wait;
    u64 t[4];

    t[0] = now(b);
    send_init_all(b);
    t[1] = now(b);
    wait_ticks(b, init_wait);
    t[2] = now(b);
    send_startup_all(b, attempt);
    t[3] = now(b);
    if (attempt == 1) {
        result->init_ticks = t[1] - t[0];
        result->startup_ticks = t[3] - t[2];
        s->since = t[3];
    }
    if (wait_online(b, s, t[3] - s->since + b->times.second_startup))
        return true;
    repeat_startup(b, result);
    return wait_online(b, s, attempt == 1 ? b->times.retry : b->times.deadline);
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

static u32 count_missing(const struct bringup_batch *b)
{
    u32 count = 0;

    for (u32 i = 0; i < b->n; i++)
        count += missing(&b->rec[i]);
    return count;
}

void bringup_run(struct bringup_batch *batch, struct bringup_result *result)
{
    struct silence silence = {0};
    u64 start = now(batch);
    bool done = batch->n == 0;

    *result = (struct bringup_result){0};
    for (u32 attempt = 1; attempt <= BRINGUP_ATTEMPTS && !done; attempt++) {
        if (attempt > 1)
            result->retried = count_missing(batch);
        done = run_attempt(batch, attempt, &silence, result);
        if (!done)
            note_arrivals(batch);
    }
    if (!done)
        give_up(batch);
    result->silent_ticks = done ? 0 : now(batch) - silence.since;
    result->given_up = count_missing(batch);
    result->online = batch->n - result->given_up;
    result->total_ticks = now(batch) - start;
}
