/*
 * A benchmark's statistics: ranks, few samples, fractions, and counts of locks.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include "kernel/base/ktest.h"
#include "kernel/bench/bench_stat.h"

/* A permutation of 1..n: every rank is known. */
static void permutation(u64 *v, u32 n)
{
    u64 x = BENCH_SEED;

    for (u32 i = 0; i < n; i++)
        v[i] = i + 1;
    for (u32 i = n; i > 1; i--) {
        u32 j = bench_next(&x) % i;
        u64 t = v[i - 1];

        v[i - 1] = v[j];
        v[j] = t;
    }
}

KTEST(bench_stat, ranks)
{
    u64 *v = calloc(10000, sizeof(*v));
    struct bench_summary s;

    permutation(v, 10000);
    bench_summarise(v, 10000, &s);
    EXPECT_EQ(s.n, 10000);
    EXPECT_EQ(s.min, 1);
    EXPECT_EQ(s.med, 5001);
    EXPECT_EQ(s.p90, 9001);
    EXPECT_EQ(s.p99, 9901);
    EXPECT_EQ(s.max, 10000);
    EXPECT_EQ(s.sum, 50005000);
    EXPECT_EQ(s.mean, 5000);
    free(v);
}

KTEST(bench_stat, few)
{
    u64 one[1] = {7}, two[2] = {9, 3};
    struct bench_summary s;

    bench_summarise(one, 0, &s);
    EXPECT_EQ(s.n, 0);
    EXPECT_EQ(s.max, 0);
    bench_summarise(one, 1, &s);
    EXPECT_EQ(s.min, 7);
    EXPECT_EQ(s.med, 7);
    EXPECT_EQ(s.p99, 7);
    bench_summarise(two, 2, &s);
    EXPECT_EQ(s.min, 3);
    EXPECT_EQ(s.med, 9);
    EXPECT_EQ(s.max, 9);
    EXPECT_EQ(s.sum, 12);
}

/* The trace of the comparison with Linux, without an allocator: its published check values. */
KTEST(bench_stat, trace_values)
{
    static u32 live[10000];
    u64 x = BENCH_SEED, bytes = 0, now = 0, peak = 0;
    u32 n = 0, frees = 0;

    for (u32 i = 0; i < 10000; i++) {
        u32 size = 8 + bench_next(&x) % 505;

        live[n++] = size;
        bytes += size;
        now += size;
        peak = MAX(peak, now);
        if (bench_next(&x) % 100 < 40) {
            u32 j = bench_next(&x) % n;

            now -= live[j];
            live[j] = live[--n];
            frees++;
        }
    }
    EXPECT_EQ(x, 0x97a88d9e762cc1ebULL);
    EXPECT_EQ(frees, 4038);
    EXPECT_EQ(n, 5962);
    EXPECT_EQ(bytes, 2578252);
    EXPECT_EQ(now, 1542022);
    EXPECT_EQ(peak, 1542497);
}

KTEST(bench_stat, fractions)
{
    EXPECT_EQ(bench_milli(0, 0), 0);
    EXPECT_EQ(bench_milli(1, 16), 62);
    EXPECT_EQ(bench_milli(33, 16), 2062);
    EXPECT_EQ(bench_milli(~0ULL, ~0ULL), 1000);
    EXPECT_EQ(bench_log2(0), 0);
    EXPECT_EQ(bench_log2(1), 0);
    EXPECT_EQ(bench_log2(128), 7);
    EXPECT_EQ(bench_log2(511), 8);
}

/* What the assembler makes of these; 15 bytes, as the decoder may read. */
KTEST(bench_stat, locks)
{
    static const struct {
        u8 code[15];
        enum bench_lock want;
    } cases[] = {
        {{0xf0, 0x48, 0x0f, 0xb1, 0x0f}, BENCH_LOCK_PREFIX},   /* lock cmpxchg */
        {{0x65, 0xf0, 0x48, 0xff, 0x07}, BENCH_LOCK_PREFIX},   /* gs lock incq */
        {{0xf0, 0x83, 0x04, 0x24, 0x00}, BENCH_LOCK_PREFIX},   /* lock addl */
        {{0x86, 0x07}, BENCH_LOCK_XCHG},                       /* xchg %al,(%rdi) */
        {{0x41, 0x86, 0x45, 0x00}, BENCH_LOCK_XCHG},           /* xchg %al,0(%r13) */
        {{0x48, 0x87, 0x07}, BENCH_LOCK_XCHG},                 /* xchg %rax,(%rdi) */
        {{0x66, 0x87, 0x07}, BENCH_LOCK_XCHG},                 /* xchg %ax,(%rdi) */
        {{0x48, 0x87, 0xc3}, BENCH_NO_LOCK},                   /* xchg %rax,%rbx */
        {{0x65, 0x48, 0x0f, 0xb1, 0x0f}, BENCH_NO_LOCK},       /* cmpxchg %gs:.. */
        {{0x48, 0x89, 0xf0}, BENCH_NO_LOCK},                   /* mov %rsi,%rax */
        {{0xf3, 0x48, 0xab}, BENCH_NO_LOCK},                   /* rep stosq */
        {{0x90}, BENCH_NO_LOCK},                               /* nop */
        {{0x81, 0xe6, 0xf0, 0x86, 0x07, 0x00}, BENCH_NO_LOCK}, /* and $.., %esi */
    };

    for (u32 i = 0; i < ARRAY_SIZE(cases); i++)
        EXPECT_EQ(bench_locks(cases[i].code), cases[i].want);
}
