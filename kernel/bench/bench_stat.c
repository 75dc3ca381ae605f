/*
 * Order statistics, the generator and the decoder of locks.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/sort.h"
#include "kernel/bench/bench_stat.h"

static u64 rank(const u64 *v, u32 n, u32 percent)
{
    return v[MIN((u64)n * percent / 100, (u64)n - 1)];
}

void bench_summarise(u64 *v, u32 n, struct bench_summary *out)
{
    *out = (struct bench_summary){.n = n};
    if (n == 0)
        return;
    sort(v, n, sizeof(*v), sort_compare_u64, NULL);
    for (u32 i = 0; i < n; i++)
        out->sum += v[i];
    out->min = v[0];
    out->med = rank(v, n, 50);
    out->p90 = rank(v, n, 90);
    out->p99 = rank(v, n, 99);
    out->max = v[n - 1];
    out->mean = out->sum / n;
}

u32 bench_next(u64 *x)
{
    *x = *x * 6364136223846793005ULL + 1442695040888963407ULL;
    return (u32)(*x >> 33);
}

u64 bench_milli(u64 total, u64 n)
{
    return n ? total / n * 1000 + total % n * 1000 / n : 0;
}

u32 bench_log2(u64 x)
{
    return x ? 63 - (u32)__builtin_clzll(x) : 0;
}

/* Legacy prefixes other than LOCK: SDM vol. 2, 2.1.1. */
static bool is_prefix(u8 b)
{
    return b == 0x66 || b == 0x67 || b == 0xf2 || b == 0xf3 || b == 0x2e || b == 0x36 ||
           b == 0x3e || b == 0x26 || b == 0x64 || b == 0x65;
}

enum bench_lock bench_locks(const u8 *p)
{
    u32 i = 0;

    while (i < 12 && is_prefix(p[i]))
        i++;
    if (p[i] == 0xf0)
        return BENCH_LOCK_PREFIX;
    if ((p[i] & 0xf0) == 0x40) /* REX */
        i++;
    /* XCHG r, r/m: mod 3 names a register. */
    if ((p[i] == 0x86 || p[i] == 0x87) && p[i + 1] >> 6 != 3)
        return BENCH_LOCK_XCHG;
    return BENCH_NO_LOCK;
}
