/*
 * The per-CPU counter: what an addition, a sum, a new counter and its end cost.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/bench/bench.h"
#include "kernel/platform/kernel_percpu_lib.h"
#include "percpu/sync/counter.h"

#define LOOPS 1024

/* A struct percpu_lib whose plain memory is in the arena. */
struct world {
    struct percpu_lib lib;
    s32 cpu_node[NR_CPUS], part_node[NR_CPUS];
    u32 cpu_part[NR_CPUS];
    u8 plain[16384] ALIGNED(64); /* near no node: only instructions are counted */
    size_t used;
};

static void *plain_alloc(void *ctx, s32 node, size_t size)
{
    struct world *w = ctx;
    void *p = w->plain + w->used;

    (void)node;
    size = align_up(size, 64);
    if (size > sizeof(w->plain) - w->used)
        return NULL;
    w->used += size;
    return p;
}

static void plain_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    (void)ptr;
    (void)size;
}

static const struct percpu_lib *make_world(struct bench *b)
{
    struct world *w = (struct world *)(void *)&b->live;
    const struct numa_topology *topo = &b->state->topo;

    static_assert(sizeof(*w) <= sizeof(b->live), "room");
    w->used = 0;
    for (u32 cpu = 0; cpu < topo->cpu_count; cpu++)
        w->cpu_node[cpu] = topo->cpus[cpu].node;
    w->lib = (struct percpu_lib){
        .ctx = w,
        .nr_cpus = topo->cpu_count,
        .nr_parts = percpu_lib_parts(w->cpu_node, topo->cpu_count, w->cpu_part, w->part_node),
        .cpu_part = w->cpu_part,
        .part_node = w->part_node,
        .alloc = kernel_percpu_lib()->alloc,
        .free = kernel_percpu_lib()->free,
        .node_alloc = plain_alloc,
        .node_free = plain_free,
    };
    return &w->lib;
}

/* add: batches included, so it is the mean of what a counter under load costs. */
static NOINLINE u64 additions(struct percpu_counter *c, s64 amount, bool dry)
{
    u64 t0 = rdtsc();

    for (u32 i = 0; i < LOOPS; i++) {
        __asm__ volatile("" : "+r"(i), "+r"(amount));
        if (!dry)
            percpu_counter_add(c, amount);
    }
    return rdtsc() - t0;
}

static u64 each_addition(struct percpu_counter *c, s64 amount)
{
    u64 dry = additions(c, amount, true);

    return bench_milli(bench_less(additions(c, amount, false), dry), LOOPS);
}

static s64 sums(struct bench *b, struct percpu_counter *c)
{
    s64 sum = 0;

    for (u32 i = 0; i < 64; i++) {
        u64 t0 = rdtsc();
        sum = percpu_counter_sum(c);
        b->sample[i] = bench_less(rdtsc() - t0, b->overhead);
    }
    return sum;
}

void bench_counter(struct bench *b)
{
    const struct percpu_lib *lib = make_world(b);
    struct percpu_counter c;
    struct bench_summary s;
    u64 t0 = rdtsc();
    int err = percpu_counter_init(lib, &c, 0);
    u64 t1 = rdtsc();

    if (err) {
        log_raw("bench: failed counter: error %d", err);
        return;
    }
    bench_settle();
    bench_print_accessor("counter_add", each_addition(&c, 1));
    bench_print_accessor("counter_add_100", each_addition(&c, 100));
    if (sums(b, &c) != 101 * LOOPS)
        log_raw("bench: failed counter: a wrong sum");
    bench_summarise(b->sample, 64, &s);
    bench_print_accessor("counter_sum", s.med * 1000);
    bench_print_accessor("counter_init", bench_less(t1 - t0, b->overhead) * 1000);
    t0 = rdtsc();
    percpu_counter_destroy(&c);
    t1 = rdtsc();
    bench_print_accessor("counter_destroy", bench_less(t1 - t0, b->overhead) * 1000);
}
