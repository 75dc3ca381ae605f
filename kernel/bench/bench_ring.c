/*
 * Pairs while other objects are held, in three orders, and the sweep over all sizes and alignments.
 * ring: N are held; a step frees one of them (the newest, the oldest, any) and allocates one.
 * burst: N are allocated and then freed in that order. All samples are net of clearing.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/bench/bench.h"

#define SIZE      8
#define STEPS     2000
#define DEPTH_MAX 1000

enum order { ORDER_FIFO, ORDER_LIFO, ORDER_RANDOM, ORDERS };
static const char *const order_names[ORDERS] = {"fifo", "lifo", "random"};
static const u32 depths[] = {1, 64, 256, DEPTH_MAX};

/* Which of n objects goes, the oldest being at `oldest` of a ring. */
static u32 victim(enum order order, u32 n, u32 oldest, u64 *x)
{
    if (order == ORDER_RANDOM)
        return bench_next(x) % n;
    return order == ORDER_FIFO ? oldest : (oldest + n - 1) % n;
}

static void hold(struct bench *b, u32 n)
{
    for (u32 i = 0; i < n; i++)
        b->live[i] = percpu_alloc(SIZE, SIZE, 0);
}

static void ring(struct bench *b, u32 n, enum order order)
{
    u64 x = BENCH_SEED;
    u32 oldest = 0, failed = 0;
    struct bench_op freed, got;

    hold(b, n);
    for (u32 i = 0; i < STEPS + DEPTH_MAX; i++) {
        u32 j = victim(order, n, oldest, &x);

        bench_free(b, b->live[j], SIZE, &freed);
        b->live[j] = bench_alloc(b, SIZE, SIZE, 0, &got);
        failed += !b->live[j];
        if (order == ORDER_FIFO)
            oldest = (oldest + 1) % n;
        if (i >= DEPTH_MAX) /* the steps before are to warm up */
            b->sample[i - DEPTH_MAX] = freed.net + got.net;
    }
    for (u32 i = 0; i < n; i++)
        percpu_free(b->live[i]);
    bench_print(b->sample, STEPS, "ring size=%u depth=%u order=%s failed=%u", SIZE, n,
                order_names[order], failed);
}

/* One round; stores the samples at `at`: the cost of the i-th allocation and the i-th free. */
static void burst_round(struct bench *b, u32 n, enum order order, u64 *x, u64 *at)
{
    struct bench_op op;

    for (u32 i = 0; i < n; i++) {
        b->live[i] = bench_alloc(b, SIZE, SIZE, 0, &op);
        at[i] = op.net;
    }
    for (u32 left = n; left; left--) {
        u32 j = order == ORDER_FIFO   ? n - left
                : order == ORDER_LIFO ? left - 1
                                      : bench_next(x) % left;

        bench_free(b, b->live[j], SIZE, &op);
        at[n - left] += op.net;
        if (order == ORDER_RANDOM)
            b->live[j] = b->live[left - 1];
    }
}

static void burst(struct bench *b, u32 n, enum order order)
{
    u32 rounds = STEPS / n;
    u64 x = BENCH_SEED;

    burst_round(b, n, order, &x, b->sample);
    burst_round(b, n, order, &x, b->sample);
    for (u32 r = 0; r < rounds; r++)
        burst_round(b, n, order, &x, &b->sample[r * n]);
    bench_print(b->sample, rounds * n, "burst size=%u depth=%u order=%s", SIZE, n,
                order_names[order]);
}

void bench_ring(struct bench *b)
{
    for (u32 i = 0; i < ARRAY_SIZE(depths); i++)
        for (u32 order = 0; order < ORDERS; order++) {
            ring(b, depths[i], order);
            burst(b, depths[i], order);
        }
    percpu_trim();
}

/* ---- the sweep ------------------------------------------------------------------------------- */

#define SWEEP_STEP  8
#define SWEEP_SIZES 512u /* 8 to 4,096 bytes */
#define SWEEP_WARM  64
#define SWEEP_PAIRS 128
#define STEPS_SHOWN 16
#define STEP_LEAST  64 /* instructions; a step is also a quarter of the cost before it */

/* The mean pair of this shape, net of clearing. */
static u64 shape_cost(u32 size, u32 align)
{
    u64 cleared, t0;

    for (u32 i = 0; i < SWEEP_WARM; i++)
        percpu_free(percpu_alloc(size, align, 0));
    cleared = bench_cleared();
    t0 = rdtsc();
    for (u32 i = 0; i < SWEEP_PAIRS; i++)
        percpu_free(percpu_alloc(size, align, 0));
    t0 = rdtsc() - t0;
    cleared = bench_cleared() - cleared;
    return bench_less(t0, cleared / BENCH_CLEAR_BYTES) / SWEEP_PAIRS;
}

/* A step: the cost of one size differs from that of the size before by a quarter, and by 64. */
static void print_steps(const struct bench *b, u32 align)
{
    u32 shown = 0;

    for (u32 i = 1; i < SWEEP_SIZES; i++) {
        u64 from = b->sample[i - 1], to = b->sample[i];
        u64 by = from > to ? from - to : to - from;

        if (by < STEP_LEAST || by < MIN(from, to) / 4)
            continue;
        if (shown++ < STEPS_SHOWN)
            log_raw("bench: sweep_step align=%u size=%u from=%llu to=%llu", align,
                    (i + 1) * SWEEP_STEP, (ull)from, (ull)to);
    }
    log_raw("bench: sweep align=%u steps=%u", align, shown);
}

void bench_sweep(struct bench *b)
{
    for (u32 align = 8; align <= 64; align *= 2) {
        u32 best = 0, worst = 0;

        percpu_trim();
        for (u32 i = 0; i < SWEEP_SIZES; i++) {
            b->sample[i] = shape_cost((i + 1) * SWEEP_STEP, align);
            best = b->sample[i] < b->sample[best] ? i : best;
            worst = b->sample[i] > b->sample[worst] ? i : worst;
        }
        log_raw("bench: sweep align=%u best_size=%u worst_size=%u", align, (best + 1) * SWEEP_STEP,
                (worst + 1) * SWEEP_STEP);
        print_steps(b, align);
        bench_print(b->sample, SWEEP_SIZES / 8, "sweep align=%u upto=512", align);
        bench_print(b->sample + SWEEP_SIZES / 8, SWEEP_SIZES / 8, "sweep align=%u upto=1024",
                    align);
        bench_print(b->sample + SWEEP_SIZES / 4, SWEEP_SIZES * 3 / 4, "sweep align=%u upto=4096",
                    align);
    }
    percpu_trim();
}
