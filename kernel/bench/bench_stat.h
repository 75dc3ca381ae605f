/*
 * What the benchmarks of the dynamic per-CPU allocator compute: the order statistics of an array of
 * samples, and the generator whose numbers fix sizes and order, so that another kernel can replay
 * the same sequence. Also the decoder that tells an instruction that locks the bus from others.
 * Pure; any context; nothing allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BENCH_BENCH_STAT_H
#define PERCH_BENCH_BENCH_STAT_H

#include "kernel/base/types.h"

struct bench_summary {
    u32 n;
    u64 min, med, p90, p99, max, mean, sum;
};

/*
 * Sorts v[0..n) in place and describes it. med, p90 and p99 are samples, not means of two: element
 * n * q / 100 of the sorted array. n = 0: all zero.
 */
void bench_summarise(u64 *v, u32 n, struct bench_summary *out);

/* x = x * 6364136223846793005 + 1442695040888963407 mod 2^64; gives bits 33 to 63. */
#define BENCH_SEED 0x5eedULL
u32 bench_next(u64 *x);

/* total / n in thousandths, rounded down: for "%llu.%03llu". n = 0: 0. */
u64 bench_milli(u64 total, u64 n);

/* Floor of the logarithm; 0 for 0. */
u32 bench_log2(u64 x);

enum bench_lock { BENCH_NO_LOCK, BENCH_LOCK_PREFIX, BENCH_LOCK_XCHG };

/*
 * Does the instruction at p lock: by prefix, or because it is XCHG with memory, which always does
 * (Intel SDM vol. 2, XCHG)? Reads at most 15 bytes, and never past the byte that decides.
 */
enum bench_lock bench_locks(const u8 *p);

#endif
