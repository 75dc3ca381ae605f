/*
 * Bounds of the TSCs' offsets; see tsc_sync_core.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/compare/tsc_sync_core.h"

/* A bound gets better with every sweep, and is right after any number of them. */
#define MAX_SWEEPS 32
#define NEVER      (1LL << 62)

struct solver {
    const struct tsc_event *events;
    u32 n, nr_cpus, ref;
    u64 base; /* a reading of ref: all others are counted from it */
    struct tsc_bounds *bounds;
    bool contradiction;
};

/* The difference modulo 2^64, as a clock hand's: any offset a CPU can have, cut to the maximum. */
static s64 since_base(const struct solver *s, u64 tsc)
{
    s64 t = (s64)(tsc - s->base);

    return MAX(MIN(t, TSC_OFFSET_MAX), -TSC_OFFSET_MAX);
}

static bool lower_high(struct solver *s, u32 cpu, s64 high)
{
    if (cpu == s->ref) {
        s->contradiction |= high < 0;
        return false;
    }
    if (high >= s->bounds[cpu].high)
        return false;
    s->bounds[cpu].high = MAX(high, -TSC_OFFSET_MAX);
    return true;
}

static bool raise_low(struct solver *s, u32 cpu, s64 low)
{
    if (cpu == s->ref) {
        s->contradiction |= low > 0;
        return false;
    }
    if (low <= s->bounds[cpu].low)
        return false;
    s->bounds[cpu].low = MIN(low, TSC_OFFSET_MAX);
    return true;
}

/*
 * In the order of the events `past` is the latest moment, on the reference's clock, that the events
 * so far certainly lie after. An event lies after it too.
 */
static bool sweep_forward(struct solver *s)
{
    s64 past = -NEVER;
    bool changed = false;

    for (u32 i = 0; i < s->n; i++) {
        const struct tsc_event *e = &s->events[i];

        if (!e->valid)
            continue;
        if (past > -NEVER)
            changed |= lower_high(s, e->cpu, since_base(s, e->after) - past);
        if (s->bounds[e->cpu].high < TSC_OFFSET_MAX)
            past = MAX(past, since_base(s, e->before) - s->bounds[e->cpu].high);
    }
    return changed;
}

/* Against the order: the earliest moment that the later events certainly lie before. */
static bool sweep_backward(struct solver *s)
{
    s64 future = NEVER;
    bool changed = false;

    for (u32 i = s->n; i-- > 0;) {
        const struct tsc_event *e = &s->events[i];

        if (!e->valid)
            continue;
        if (future < NEVER)
            changed |= raise_low(s, e->cpu, since_base(s, e->before) - future);
        if (s->bounds[e->cpu].low > -TSC_OFFSET_MAX)
            future = MIN(future, since_base(s, e->after) - s->bounds[e->cpu].low);
    }
    return changed;
}

/* What anybody can see without arithmetic: time that goes back. */
static void find_warps(const struct solver *s, struct tsc_sync *r)
{
    s64 latest = -NEVER;

    for (u32 i = 0; i < s->n; i++) {
        const struct tsc_event *e = &s->events[i];
        s64 after = since_base(s, e->after);

        if (!e->valid)
            continue;
        if (after < latest) {
            r->warps++;
            if ((u64)(latest - after) > r->warp_max) {
                r->warp_max = (u64)(latest - after);
                r->warp_cpu = e->cpu;
            }
        }
        latest = MAX(latest, since_base(s, e->before));
    }
}

static void judge(const struct solver *s, u32 cpu, struct tsc_sync *r)
{
    struct tsc_bounds b = s->bounds[cpu];
    s64 sure = b.low > 0 ? b.low : b.high < 0 ? b.high : 0;
    u64 width = (u64)(b.high - b.low);

    r->cpus++;
    if (b.low > b.high) {
        r->contradiction = true;
        width = 0;
    }
    if (sure)
        r->out_of_sync++;
    if ((sure < 0 ? -sure : sure) > (r->worst < 0 ? -r->worst : r->worst)) {
        r->worst = sure;
        r->worst_cpu = cpu;
    }
    if (width > r->doubt) {
        r->doubt = width;
        r->widest_cpu = cpu;
    }
}

static const struct tsc_event *first_of(const struct tsc_event *events, u32 n, u32 cpu)
{
    for (u32 i = 0; i < n; i++)
        if (events[i].valid && events[i].cpu == cpu)
            return &events[i];
    return NULL;
}

/* Who has an event has been given bounds, or at least keeps the widest; others stay out. */
static void mark_present(const struct solver *s)
{
    for (u32 cpu = 0; cpu < s->nr_cpus; cpu++)
        s->bounds[cpu] = (struct tsc_bounds){TSC_OFFSET_MAX, -TSC_OFFSET_MAX};
    for (u32 i = 0; i < s->n; i++)
        if (s->events[i].valid)
            s->bounds[s->events[i].cpu] = (struct tsc_bounds){-TSC_OFFSET_MAX, TSC_OFFSET_MAX};
}

int tsc_sync_solve(const struct tsc_event *events, u32 n, u32 nr_cpus, u32 ref,
                   struct tsc_bounds *bounds, struct tsc_sync *result)
{
    struct solver s = {events, n, nr_cpus, ref, 0, bounds, false};
    const struct tsc_event *first = first_of(events, n, ref);
    bool changed = true;

    *result = (struct tsc_sync){0};
    if (!first)
        return -EINVAL;
    s.base = first->before;
    mark_present(&s);
    bounds[ref] = (struct tsc_bounds){0, 0};
    for (u32 i = 0; i < MAX_SWEEPS && changed; i++) {
        changed = sweep_forward(&s);
        changed |= sweep_backward(&s);
    }
    result->contradiction = s.contradiction;
    for (u32 cpu = 0; cpu < nr_cpus; cpu++) {
        if (bounds[cpu].low == TSC_OFFSET_MAX && bounds[cpu].high == -TSC_OFFSET_MAX)
            bounds[cpu] = (struct tsc_bounds){-TSC_OFFSET_MAX, TSC_OFFSET_MAX};
        else
            judge(&s, cpu, result);
    }
    find_warps(&s, result);
    return 0;
}
