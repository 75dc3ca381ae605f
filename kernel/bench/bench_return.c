/*
 * The memory that stays populated after a peak: of 100,000 objects 90,000 are freed, in three
 * orders. The generator gives the sizes, and then the choices of the random order.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/bench/bench.h"

#define FREED 90000

/* The last object takes the place of a freed one. */
static u32 free_random(struct bench *b, u32 n, u64 x)
{
    for (u32 k = 0; k < FREED; k++) {
        u32 j = bench_next(&x) % n;

        percpu_free(b->live[j]);
        b->live[j] = b->live[--n];
        b->size[j] = b->size[n];
    }
    return n;
}

static u32 free_by_age(struct bench *b, u32 n, u64 x)
{
    (void)x;
    for (u32 i = 0; i < FREED; i++)
        percpu_free(b->live[i]);
    for (u32 i = FREED; i < n; i++) {
        b->live[i - FREED] = b->live[i];
        b->size[i - FREED] = b->size[i];
    }
    return n - FREED;
}

/* The smallest first, in steps of 8 bytes; within a step by age. */
static u32 free_by_size(struct bench *b, u32 n, u64 x)
{
    u32 freed = 0, left = 0;

    (void)x;
    for (u32 class = 1; class <= 64; class ++)
        for (u32 i = 0; i < n && freed < FREED; i++)
            if ((b->size[i] + 7u) / 8 == class) {
                percpu_free(b->live[i]);
                b->size[i] = 0;
                freed++;
            }
    for (u32 i = 0; i < n; i++)
        if (b->size[i]) {
            b->live[left] = b->live[i];
            b->size[left++] = b->size[i];
        }
    return left;
}

static const struct {
    const char *name;
    u32 (*run)(struct bench *b, u32 n, u64 x);
} orders[] = {{"random", free_random}, {"age", free_by_age}, {"size", free_by_size}};

static void one_order(struct bench *b, u32 which)
{
    u64 x = BENCH_SEED, bytes = 0, start, peak, freed, balanced;
    u32 n = 0, failed = 0;

    percpu_trim();
    start = bench_populated();
    for (u32 i = 0; i < BENCH_OBJECTS; i++) {
        u16 size = (u16)(8 + bench_next(&x) % 505);
        void *p = percpu_alloc(size, 8, 0);

        failed += !p;
        b->live[n] = p;
        b->size[n++] = size;
    }
    peak = bench_populated();
    n = orders[which].run(b, n, x);
    freed = bench_populated();
    bench_settle();
    balanced = bench_populated();
    percpu_trim();
    u64 trimmed = bench_populated();
    for (u32 i = 0; i < n; i++)
        bytes += b->size[i];
    u64 need = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
    u64 over_balance = bench_milli(bench_less(balanced, start), need);
    u64 over_trim = bench_milli(bench_less(trimmed, start), need);

    log_raw("bench: return order=%s live=%u live_bytes=%llu need=%llu start=%llu peak=%llu "
            "freed=%llu balanced=%llu trimmed=%llu over_balance=%llu.%03llu over_trim=%llu.%03llu "
            "failed=%u",
            orders[which].name, n, (ull)bytes, (ull)need, (ull)start, (ull)peak, (ull)freed,
            (ull)balanced, (ull)trimmed, BENCH_FIX(over_balance), BENCH_FIX(over_trim), failed);
    for (u32 i = 0; i < n; i++)
        percpu_free(b->live[i]);
}

void bench_return(struct bench *b)
{
    for (u32 i = 0; i < ARRAY_SIZE(orders); i++)
        one_order(b, i);
    percpu_trim();
}
