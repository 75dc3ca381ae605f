/*
 * How long to wait; see patience.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/patience.h"

void patience_begin(struct patience *p, struct patience_host *host, u64 limit, u64 now)
{
    *p = (struct patience){.host = host, .limit = limit, .since = now, .looked = now};
}

static void look(struct patience *p, u64 now)
{
    u64 passed = now - p->looked;

    if ((s64)passed < 0)
        return; /* a clock that steps back counts nothing */
    p->looked = now;
    if (p->host && p->host->gap && passed > p->host->gap) {
        passed = MIN(passed, p->limit / 4); /* a machine that was stopped has not waited */
        p->counted += passed;
    } else {
        p->counted += passed * PATIENCE_GAP_PART;
    }
    p->real += passed;
}

/* Ticks without progress that are borne, gaps discounted. */
static u64 borne(const struct patience *p)
{
    u64 slowest = p->host ? __atomic_load_n(&p->host->slowest, __ATOMIC_RELAXED) : 0;

    return MAX(p->limit, MIN(slowest * PATIENCE_LEARNED, p->limit * PATIENCE_MOST));
}

bool patience_over_part(struct patience *p, u64 now, u32 percent)
{
    look(p, now);
    return p->counted / PATIENCE_GAP_PART > borne(p) * percent / 100 ||
           p->real > p->limit * PATIENCE_END * percent / 100;
}

void patience_progress(struct patience *p, u64 now)
{
    u64 silence, known;

    look(p, now);
    silence = p->counted / PATIENCE_GAP_PART;
    p->since = p->looked;
    p->counted = p->real = 0;
    if (!p->host)
        return;
    known = __atomic_load_n(&p->host->slowest, __ATOMIC_RELAXED);
    while (silence > known && !__atomic_compare_exchange_n(&p->host->slowest, &known, silence, true,
                                                           __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}
