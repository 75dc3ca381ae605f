/*
 * The arithmetic of the benchmarks: order statistics of samples, the generator of sizes and
 * choices, whose sequence another kernel can replay, and a decoder that recognises instructions
 * that lock. Pure; any context; nothing allocates.
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
 * Sorts v[0..n) in place and fills *out. med, p90 and p99 are samples, not means of two: element
 * n * q / 100 of the sorted array. n = 0: all zero.
 */
void bench_summarise(u64 *v, u32 n, struct bench_summary *out);

/* *x = *x * 6364136223846793005 + 1442695040888963407 mod 2^64; returns bits 33 to 63. */
#define BENCH_SEED 0x5eedULL
u32 bench_next(u64 *x);

/* total / n in thousandths, rounded down: for "%llu.%03llu". n = 0: 0. */
u64 bench_milli(u64 total, u64 n);

/* Floor of the logarithm; 0 for 0. */
u32 bench_log2(u64 x);

enum bench_lock { BENCH_NO_LOCK, BENCH_LOCK_PREFIX, BENCH_LOCK_XCHG };

/*
 * Does the instruction at p lock, by a prefix or as an XCHG with memory, which always locks (Intel
 * SDM vol. 2, XCHG)? Reads at most 15 bytes, and none past the one that decides.
 */
enum bench_lock bench_locks(const u8 *p);

#endif
