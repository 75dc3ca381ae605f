/*
 * The longest calls of the steady state, and the longest stretch with interrupts off, counted by
 * the CPU's single step (bench_step.c).
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/bench/bench.h"

#define HELD      64u
#define PAIRS     4000u
#define STEPPED   300u         /* pairs under single step */
#define ODD_SIZE  520u         /* freed in random order */
#define ODD_BYTES (2u * SZ_1M) /* of all units: each 8 bytes cleared are a step */
#define ODD_MIN   128u

static const u32 latency_sizes[] = {8, 64, 256};

static void hold(struct bench *b, u32 size, u32 n)
{
    for (u32 i = 0; i < n; i++)
        b->live[i] = percpu_alloc(size, 8, 0);
}

static void let_go(struct bench *b, u32 n)
{
    for (u32 i = 0; i < n; i++)
        percpu_free(b->live[i]);
}

/* Objects leave in the order of their age (fifo), or in random order. */
static u32 next_place(bool random, u32 i, u64 *seed)
{
    return random ? bench_next(seed) % HELD : i % HELD;
}

static void one_size(struct bench *b, u32 size, bool random)
{
    const char *order = random ? "random" : "fifo";
    u64 seed = BENCH_SEED;

    hold(b, size, HELD);
    for (u32 i = 0; i < PAIRS + 8 * HELD; i++) {
        u32 place = next_place(random, i, &seed), at = i % PAIRS; /* the first ones warm up */
        u64 t0 = rdtsc();
        percpu_free(b->live[place]);
        u64 t1 = rdtsc();
        b->live[place] = percpu_alloc(size, 8, 0);
        u64 t2 = rdtsc();

        b->other[at] = bench_less(t1 - t0, b->overhead);
        b->sample[at] = bench_less(t2 - t1, b->overhead);
    }
    let_go(b, HELD);
    bench_print(b->sample, PAIRS, "latency size=%u order=%s op=alloc", size, order);
    bench_print(b->other, PAIRS, "latency size=%u order=%s op=free", size, order);
}

/* ---- interrupts off -------------------------------------------------------------------------- */

static void print_off(const char *op, const struct bench_steps *s)
{
    log_raw("bench: latency op=%s insns=%llu irqs_off=%llu at=%p", op, (ull)s->insns,
            (ull)s->off_max, (void *)s->off_at);
}

static void off_pairs(struct bench *b, u32 size)
{
    struct bench_steps s = {0};
    u64 seed = BENCH_SEED;

    hold(b, size, HELD);
    bench_step_begin();
    for (u32 i = 0; i < STEPPED; i++) {
        u32 place = next_place(true, i, &seed);

        percpu_free(b->live[place]);
        b->live[place] = percpu_alloc(size, 8, 0);
    }
    bench_step_end(&s);
    let_go(b, HELD);
    print_off(size == 8 ? "off_pair_8" : "off_pair_64", &s);
}

/* Objects of an odd size: growth, frees in random order, and the return of what is empty. */
static void off_odd(struct bench *b)
{
    u32 n = MAX(ODD_MIN, ODD_BYTES / (ODD_SIZE * b->cpus) / 4);
    struct bench_steps grown = {0}, freed = {0}, balanced = {0};
    u64 seed = BENCH_SEED;

    percpu_trim();
    bench_step_begin();
    hold(b, ODD_SIZE, n);
    bench_step_end(&grown);
    for (u32 i = n; i > 1; i--) {
        u32 j = bench_next(&seed) % i;
        void *p = b->live[i - 1];

        b->live[i - 1] = b->live[j];
        b->live[j] = p;
    }
    bench_step_begin();
    let_go(b, n);
    bench_step_end(&freed);
    bench_step_begin();
    percpu_balance();
    bench_step_end(&balanced);
    print_off("off_grow", &grown);
    print_off("off_free", &freed);
    print_off("off_balance", &balanced);
}

void bench_latency(struct bench *b)
{
    for (u32 i = 0; i < ARRAY_SIZE(latency_sizes); i++) {
        one_size(b, latency_sizes[i], false);
        one_size(b, latency_sizes[i], true);
    }
    bench_settle();
    bench_step_enable(true);
    off_pairs(b, 8);
    off_pairs(b, 64);
    off_odd(b);
    bench_step_enable(false);
}
