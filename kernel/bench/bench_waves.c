/*
 * Waves: many objects of one size are allocated, then all are freed, again and again. Prints the
 * cost of a pair in long and in short waves, and what was populated and returned meanwhile, from
 * the third wave on: then the allocator could know what the next one needs.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/bench/bench.h"

#define WAVE_SIZE 256u /* bytes of an object */
#define WARM      2u   /* waves that are not measured */
#define PAIRS     8000u

static void wave(struct bench *b, u32 n)
{
    for (u32 i = 0; i < n; i++)
        b->live[i] = percpu_alloc(WAVE_SIZE, 8, 0);
    for (u32 i = 0; i < n; i++)
        percpu_free(b->live[i]);
}

/* Pages that were asked for, ever, on all nodes. */
static u64 requested(const struct bench *b)
{
    struct percpu_node_stats st;
    u64 n = 0;

    for (u32 node = 0; node < b->state->topo.node_count; node++) {
        percpu_get_node_stats(node, &st);
        n += st.requested;
    }
    return n;
}

static void waves(struct bench *b, u32 n)
{
    u64 ticks = 0, pages, clear, gross, net;
    struct percpu_stats x, y;

    percpu_trim();
    bench_settle();
    for (u32 i = 0; i < WARM; i++)
        wave(b, n);
    percpu_get_stats(&x);
    pages = requested(b);
    for (u32 done = 0; done < PAIRS; done += n) {
        u64 t0 = rdtsc();

        wave(b, n);
        ticks += bench_less(rdtsc() - t0, b->overhead);
    }
    percpu_get_stats(&y);
    clear = (y.cleared_bytes - x.cleared_bytes) / BENCH_CLEAR_BYTES;
    gross = bench_milli(ticks, PAIRS);
    net = bench_milli(bench_less(ticks, clear), PAIRS);
    pages = requested(b) - pages;
    log_raw("bench: waves size=%u depth=%u gross=%llu.%03llu net=%llu.%03llu populated=%llu "
            "deferred=%llu",
            WAVE_SIZE, n, BENCH_FIX(gross), BENCH_FIX(net), (ull)pages,
            (ull)(y.background - x.background + y.inline_work - x.inline_work));
}

void bench_waves(struct bench *b)
{
    waves(b, 100);
    waves(b, 1000);
    percpu_trim();
}
