/*
 * The per-CPU counter: the cost of an addition, a sum, an init and a destroy.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/bench/bench.h"
#include "kernel/platform/kernel_percpu_lib.h"
#include "percpu/sync/counter.h"

#define LOOPS 1024

/*
 * The kernel's struct percpu_lib, but with its plain memory in the arena: a figure for the counter
 * without the small-object allocator. The memory may be on any node, because figures count
 * instructions.
 */
struct counter_lib {
    struct percpu_lib lib;
    u8 plain[16384] ALIGNED(64);
    size_t used;
};

static void *arena_alloc(void *ctx, s32 node, size_t size)
{
    struct counter_lib *w = ctx;
    void *p = w->plain + w->used;

    (void)node;
    size = align_up(size, 64);
    if (size > sizeof(w->plain) - w->used)
        return NULL;
    w->used += size;
    return p;
}

static void arena_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    (void)ptr;
    (void)size;
}

static const struct percpu_lib *make_lib(struct bench *b)
{
    struct counter_lib *w = (struct counter_lib *)(void *)&b->live;

    static_assert(sizeof(*w) <= sizeof(b->live), "room");
    w->used = 0;
    w->lib = *kernel_percpu_lib();
    w->lib.ctx = w;
    w->lib.node_alloc = arena_alloc;
    w->lib.node_free = arena_free;
    return &w->lib;
}

/* Ticks of LOOPS additions, those that fold a batch included: the mean of a counter under load. */
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
    const struct percpu_lib *lib = make_lib(b);
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
