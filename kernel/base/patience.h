/*
 * How long to wait for another CPU before it is given up: on a real machine a fixed time, under a
 * hypervisor what its host allows. A virtual CPU that its host does not run is slow, not dead, and
 * nothing tells one from the other but time. Two things show how much time is fair:
 *
 * - A gap between two looks at the clock: the host did not run this CPU, and surely not more of the
 *   others. Gaps count 1/32 only. So what counts is the time that this CPU got.
 * - The longest silence that ended well, of all waits on this machine. A CPU came after that time,
 *   so another may need several times as much: 8 times, up to 32 times the limit.
 *
 * Progress starts the wait again. Without progress every wait ends: on a quiet host, where every
 * CPU answers quickly, at the limit; on the busiest after 64 times the limit at most. There a gap
 * of more than a quarter of the limit counts as a quarter: a machine that was stopped has not
 * waited. docs/adr/0027 has the reasons.
 *
 * Pure. Times are ticks of one clock, which the caller reads: every turn of the loop that waits,
 * or that loop itself looks like a gap. A wait belongs to one CPU; all CPUs share a host.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_PATIENCE_H
#define PERCH_BASE_PATIENCE_H

#include "kernel/base/types.h"

#define PATIENCE_GAP_PART 32 /* a gap counts 1/32 */
#define PATIENCE_LEARNED  8  /* times the longest silence that ended well ... */
#define PATIENCE_MOST     32 /* ... up to so many times the limit, and ... */
#define PATIENCE_END      64 /* ... so many times the limit in all, gaps included */

/* What all waits have learned. Zeroed: a machine where time alone counts. */
struct patience_host {
    u64 gap;     /* ticks: a longer time between two looks is a gap; 0: no gaps are known */
    u64 slowest; /* counted ticks; written by all CPUs */
};

struct patience {
    struct patience_host *host; /* NULL: the limit holds exactly */
    u64 limit;                  /* ticks without progress */
    u64 since;                  /* the last progress */
    u64 looked;                 /* the last look at the clock */
    u64 counted; /* time without progress, gaps discounted, times PATIENCE_GAP_PART */
    u64 real;    /* the same with gaps; one gap counts at most limit / 4 */
};

void patience_begin(struct patience *p, struct patience_host *host, u64 limit, u64 now);

/*
 * One look at the clock. True: `percent` of the patience is over; ask with 100 for its end. Asked
 * in every turn of the loop that waits.
 */
bool patience_over_part(struct patience *p, u64 now, u32 percent);

static inline bool patience_over(struct patience *p, u64 now)
{
    return patience_over_part(p, now, 100);
}

/* Something came that was waited for: the patience begins again, and the host's is adapted. */
void patience_progress(struct patience *p, u64 now);

#endif
