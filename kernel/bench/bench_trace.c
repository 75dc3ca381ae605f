/*
 * The trace: 10,000 allocations of mixed sizes with frees between them, then a drain. It runs
 * twice: once with the statistics read around each operation, and once undisturbed, for the whole
 * cost with deferred work.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/bench/bench.h"

#define OPS 10000

struct trace {
    u64 x;
    u32 n, allocs, frees, failed;
    u64 bytes, live, peak;
};

static u32 trace_size(struct trace *t)
{
    u32 size = 8 + bench_next(&t->x) % 505;

    t->bytes += size;
    t->live += size;
    t->peak = MAX(t->peak, t->live);
    return size;
}

/* Removes a random live object; the caller frees it. */
static void *trace_take(struct bench *b, struct trace *t, u32 *size)
{
    u32 j = bench_next(&t->x) % t->n;
    void *p = b->live[j];

    *size = b->size[j];
    t->live -= *size;
    t->n--;
    b->live[j] = b->live[t->n];
    b->size[j] = b->size[t->n];
    return p;
}

static void trace_put(struct bench *b, struct trace *t, void *p, u32 size)
{
    t->failed += !p;
    b->live[t->n] = p;
    b->size[t->n++] = (u16)size;
}

static void print_check(const struct trace *t)
{
    log_raw("bench: trace lcg_end=%llx frees=%u live=%u bytes=%llu live_bytes=%llu peak_bytes=%llu "
            "failed=%u",
            (ull)t->x, t->frees, t->n, (ull)t->bytes, (ull)t->live, (ull)t->peak, t->failed);
    if (t->x != 0x97a88d9e762cc1ebULL || t->frees != 4038 || t->n != 5962 || t->bytes != 2578252 ||
        t->live != 1542022 || t->peak != 1542497)
        log_raw("bench: failed trace: not the sequence it has to be");
}

/* sample: allocations; net: allocations without clearing; other: frees. */
static void observed(struct bench *b, u64 start)
{
    struct trace t = {.x = BENCH_SEED};
    struct bench_op op;
    u64 cleared = 0, peak;
    u32 size, k = 0;

    for (u32 i = 0; i < OPS; i++) {
        size = trace_size(&t);
        trace_put(b, &t, bench_alloc(b, size, 8, 0, &op), size);
        b->sample[i] = op.ticks;
        b->net[i] = op.net;
        b->class[i] = (u8)op.class;
        cleared += op.cleared;
        if (bench_next(&t.x) % 100 < 40) {
            void *p = trace_take(b, &t, &size);

            bench_free(b, p, size, &op);
            b->other[t.frees++] = op.ticks;
            cleared += op.cleared;
        }
    }
    peak = bench_populated();
    print_check(&t);
    bench_print_classes(b, "trace op=alloc", OPS);
    bench_print(b->net, OPS, "trace op=alloc_net");
    bench_print(b->other, t.frees, "trace op=free");
    for (k = 0; t.n; k++) {
        void *p = trace_take(b, &t, &size);

        bench_free(b, p, size, &op);
        b->sample[k] = op.ticks;
    }
    bench_print(b->sample, k, "trace op=drain");
    bench_settle();
    u64 balanced = bench_populated(), trimmed = percpu_trim();
    log_raw(
        "bench: trace start_pages_per_unit=%llu peak_pages_per_unit=%llu "
        "balanced_pages_per_unit=%llu after_drain_pages_per_unit=%llu trimmed=%llu cleared=%llu",
        (ull)start, (ull)peak, (ull)balanced, (ull)bench_populated(), (ull)trimmed, (ull)cleared);
}

/* dry: the same loop with the same numbers, without the calls. *sum: time in the calls alone. */
static NOINLINE u64 undisturbed(struct bench *b, struct trace *t, bool dry, u64 *sum)
{
    u64 start = rdtsc();
    u32 size;

    *t = (struct trace){.x = BENCH_SEED};
    *sum = 0;
    for (u32 i = 0; i < OPS; i++) {
        void *p = NULL;

        size = trace_size(t);
        u64 t0 = rdtsc();
        if (!dry)
            p = percpu_alloc(size, 8, 0);
        *sum += rdtsc() - t0;
        trace_put(b, t, p, size);
        if (bench_next(&t->x) % 100 < 40) {
            p = trace_take(b, t, &size);
            t0 = rdtsc();
            if (!dry)
                percpu_free(p);
            *sum += rdtsc() - t0;
            t->frees++;
        }
    }
    return rdtsc() - start;
}

/* total: allocations, the frees between them and all deferred work, but not the drain. */
static void totals(struct bench *b)
{
    struct trace t;
    u64 dry, total, cleared, calls, dry_calls;
    u32 ops, size;

    bench_settle();
    dry = undisturbed(b, &t, true, &dry_calls) + b->settle_cost;
    cleared = bench_cleared();
    u64 t0 = rdtsc();
    undisturbed(b, &t, false, &calls);
    bench_settle();
    total = bench_less(rdtsc() - t0, dry);
    cleared = bench_cleared() - cleared;
    calls = bench_less(calls, dry_calls);
    ops = OPS + t.frees;
    b->background[1] = bench_milli(bench_less(total, calls), ops);
    b->cleared[1] = bench_milli(cleared, ops);
    log_raw("bench: trace total=%llu net=%llu calls=%llu background=%llu cleared=%llu failed=%u",
            (ull)total, (ull)bench_less(total, cleared / BENCH_CLEAR_BYTES), (ull)calls,
            (ull)bench_less(total, calls), (ull)cleared, t.failed);
    while (t.n)
        percpu_free(trace_take(b, &t, &size));
    percpu_trim();
}

void bench_trace(struct bench *b)
{
    percpu_trim();
    bench_settle();
    observed(b, bench_populated());
    totals(b);
    log_raw("bench: background per_pair=%llu.%03llu per_trace_op=%llu.%03llu",
            BENCH_FIX(b->background[0]), BENCH_FIX(b->background[1]));
    log_raw("bench: cleared per_pair=%llu.%03llu trace=%llu.%03llu", BENCH_FIX(b->cleared[0]),
            BENCH_FIX(b->cleared[1]));
}
