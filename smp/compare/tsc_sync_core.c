/*
 * Bounds of the TSCs' offsets; see tsc_sync_core.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/compare/tsc_sync_core.h"

/* Every sweep tightens the bounds; they are valid after any number of sweeps. */
#define MAX_SWEEPS 32
#define NEVER      (1LL << 62)

struct solver {
    const struct tsc_event *events;
    u32 n, nr_cpus, ref;
    u64 base; /* a reading of ref; all others are relative to it */
    struct tsc_bounds *bounds;
    bool contradiction;
};

/* The signed difference modulo 2^64, cut to the largest offset. */
static s64 since_base(const struct solver *s, u64 tsc)
{
    s64 t = (s64)(tsc - s->base);

    return MAX(MIN(t, TSC_OFFSET_MAX), -TSC_OFFSET_MAX);
}

/* The upper bound of a CPU's offset; with time reversed, that of the negated offset. */
static s64 upper_bound(const struct solver *s, u32 cpu, bool reversed)
{
    return reversed ? -s->bounds[cpu].low : s->bounds[cpu].high;
}

static bool lower_bound_to(struct solver *s, u32 cpu, bool reversed, s64 bound)
{
    if (cpu == s->ref) {
        s->contradiction |= bound < 0;
        return false;
    }
    if (bound >= upper_bound(s, cpu, reversed))
        return false;
    bound = MAX(bound, -TSC_OFFSET_MAX);
    if (reversed)
        s->bounds[cpu].low = -bound;
    else
        s->bounds[cpu].high = bound;
    return true;
}

/*
 * Lowers the upper bounds, event by event in their order. `past` is the latest moment, on the
 * reference's clock, that is certainly before the next event. Reversed: goes backwards and negates
 * all times, which raises the lower bounds. True: a bound has changed.
 */
static bool sweep(struct solver *s, bool reversed)
{
    s64 past = -NEVER;
    bool changed = false;

    for (u32 i = 0; i < s->n; i++) {
        const struct tsc_event *e = &s->events[reversed ? s->n - 1 - i : i];
        s64 before = since_base(s, e->before), after = since_base(s, e->after);

        if (!e->valid)
            continue;
        if (past > -NEVER)
            changed |= lower_bound_to(s, e->cpu, reversed, (reversed ? -before : after) - past);
        if (upper_bound(s, e->cpu, reversed) < TSC_OFFSET_MAX)
            past = MAX(past, (reversed ? -after : before) - upper_bound(s, e->cpu, reversed));
    }
    return changed;
}

/* Warps are visible without arithmetic: time that runs backwards. */
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

/* CPUs with an event start with the widest bounds; the others get an empty interval. */
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
        changed = sweep(&s, false);
        changed |= sweep(&s, true);
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

enum tsc_step tsc_sync_step(const struct tsc_sync *result, u64 small)
{
    if (result->contradiction)
        return TSC_UNSTEADY;
    if (result->out_of_sync)
        return TSC_OUT_OF_STEP;
    return result->doubt <= small ? TSC_IN_STEP : TSC_NOT_KNOWN;
}

const char *tsc_step_name(enum tsc_step step)
{
    static const char *const names[] = {
        [TSC_IN_STEP] = "in-step",
        [TSC_NOT_KNOWN] = "not-known",
        [TSC_OUT_OF_STEP] = "out-of-step",
        [TSC_UNSTEADY] = "unsteady",
    };

    return names[step];
}
