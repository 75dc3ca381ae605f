/*
 * The TSC's frequency by another clock.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/refclock.h"
#include "kernel/base/sort.h"

#define MAX_MEASURES 5
#define READS        3  /* for one reading: the quickest counts */
#define FIRST_MS     1  /* length of the first measurement, by the clock */
#define LAST_MS      64 /* length of the longest */

struct reading {
    struct clock_bracket at;
    u64 count;
};

struct measure {
    u64 khz;
    u32 parts; /* khz is wrong by at most 1 / parts of it */
};

static struct reading read_once(const struct refclock *ref)
{
    struct reading r;

    r.at.before = ref->tsc(ref->ctx);
    r.count = ref->read(ref->ctx) & ref->mask;
    r.at.after = ref->tsc(ref->ctx);
    return r;
}

static struct reading read_best(const struct refclock *ref)
{
    struct reading best = read_once(ref);

    for (u32 i = 1; i < READS; i++) {
        struct reading r = read_once(ref);

        if (r.at.after - r.at.before < best.at.after - best.at.before)
            best = r;
    }
    return best;
}

static u64 passed(const struct refclock *ref, u64 first, u64 now)
{
    return (now - first) & ref->mask;
}

/* Waits until the clock has counted `ticks` since first. False: it stands still, or is too slow. */
static bool wait_for_clock(const struct refclock *ref, const struct refclock_limits *limits,
                           const struct reading *first, u64 ticks)
{
    u64 last = first->count, moved = first->at.after;

    for (;;) {
        struct reading now = read_once(ref);

        if (passed(ref, first->count, now.count) >= ticks)
            return true;
        if (now.count != last)
            moved = now.at.after;
        last = now.count;
        if (now.at.after - moved > limits->still || now.at.after - first->at.after > limits->limit)
            return false;
    }
}

/*
 * Measures from one first reading, each time twice as long, until the error is small enough: half
 * of it may come from the brackets, half from the clock's own step. -ETIMEDOUT: the clock stands
 * still or is too slow. -EIO: the longest measurement was not good either.
 */
static int measure(const struct refclock *ref, const struct refclock_limits *limits,
                   struct measure *m)
{
    struct reading first = read_best(ref);
    u64 longest = MIN(ref->hz * LAST_MS / 1000, ref->mask / 2);

    for (u64 ticks = MAX(ref->hz * FIRST_MS / 1000, 1ULL);; ticks = MIN(ticks * 2, longest)) {
        bool last = ticks >= longest;
        u32 parts = last ? REFCLOCK_POOR : REFCLOCK_GOOD;
        struct reading end;
        u64 span, count;

        if (!wait_for_clock(ref, limits, &first, ticks))
            return -ETIMEDOUT;
        end = read_best(ref);
        count = passed(ref, first.count, end.count);
        span = clock_span(first.at, end.at, parts * 2);
        if (span && count >= parts * 2) {
            *m = (struct measure){clock_khz(span, count, ref->hz), parts};
            return m->khz ? 0 : -EIO;
        }
        if (last)
            return -EIO;
    }
}

bool refclock_differ(u64 a, u64 b, u32 parts)
{
    u64 low = MIN(a, b), high = MAX(a, b);

    return high - low > low / parts;
}

int refclock_khz(const struct refclock *ref, const struct refclock_limits *limits, u64 *khz)
{
    struct measure last = {0};
    u64 all[MAX_MEASURES];
    u32 n = 0;

    *khz = 0;
    for (u32 i = 0; i < MAX_MEASURES; i++) {
        struct measure m;
        int err = measure(ref, limits, &m);

        if (err == -ETIMEDOUT)
            return err;
        if (err)
            continue;
        all[n++] = m.khz;
        /* One may be too high by its error and the other too low. */
        if (last.khz && !refclock_differ(last.khz, m.khz, MIN(last.parts, m.parts) / 2)) {
            *khz = last.parts > m.parts ? last.khz : m.khz;
            return 0;
        }
        last = m;
    }
    sort(all, n, sizeof(all[0]), sort_compare_u64, NULL);
    if (n)
        *khz = all[n / 2];
    return -EIO;
}
