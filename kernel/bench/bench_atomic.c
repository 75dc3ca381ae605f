/*
 * The number of atomic allocations in a row that succeed: from a cold start, and again when the
 * allocator has seen that demand and done its deferred work. Also the cost of a failing call.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/bench/bench.h"

#define SIZE     64
#define ATTEMPTS 4096

static void *timed_atomic(const struct bench *b, u64 *ticks)
{
    u64 t0 = rdtsc();
    void *p = percpu_alloc(SIZE, 8, PCPU_ATOMIC | PCPU_NOWARN);
    u64 t1 = rdtsc();

    *ticks = bench_less(t1 - t0, b->overhead);
    return p;
}

static void row_of_allocations(struct bench *b, const char *when)
{
    u32 first_fail = ATTEMPTS, failed = 0, ok = 0;

    for (u32 i = 0; i < ATTEMPTS; i++) {
        u64 ticks;
        void *p = timed_atomic(b, &ticks);

        if (p) {
            b->live[ok] = p;
            b->sample[ok++] = ticks;
        } else {
            first_fail = MIN(first_fail, i);
            b->other[failed++] = ticks;
        }
    }
    log_raw("bench: atomic size=%u when=%s first_fail_at=%u failed=%u of=%u", SIZE, when,
            first_fail, failed, ATTEMPTS);
    bench_print(b->sample, ok, "atomic when=%s op=alloc", when);
    bench_print(b->other, failed, "atomic when=%s op=failing", when);
    for (u32 i = 0; i < ok; i++)
        percpu_free(b->live[i]);
}

/* Takes all memory that is ready, so that some calls fail in any case. */
static void exhaust(struct bench *b)
{
    u32 n = 0, failed = 0;

    while (n < BENCH_OBJECTS && (b->live[n] = percpu_alloc(SIZE, 8, PCPU_ATOMIC | PCPU_NOWARN)))
        n++;
    for (u32 i = 0; i < 1000; i++) {
        void *p = timed_atomic(b, &b->sample[failed]);

        if (p)
            percpu_free(p);
        else
            failed++;
    }
    bench_print(b->sample, failed, "atomic op=failing");
    while (n)
        percpu_free(b->live[--n]);
}

void bench_atomic(struct bench *b)
{
    u64 start = bench_populated();

    row_of_allocations(b, "cold");
    bench_settle();
    u64 reserve = bench_populated();
    row_of_allocations(b, "seen");
    exhaust(b);
    percpu_trim();
    log_raw("bench: atomic start_pages_per_unit=%llu after_demand_pages_per_unit=%llu "
            "trimmed_pages_per_unit=%llu",
            (ull)start, (ull)reserve, (ull)bench_populated());
}
