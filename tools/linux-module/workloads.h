/*
 * The pure parts of the comparison: the trace's numbers and what is said about a row of samples.
 * Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_LINUX_MODULE_WORKLOADS_H
#define PERCH_LINUX_MODULE_WORKLOADS_H

#include "kernel/base/types.h"

#define TRACE_SEED   0x5eedULL
#define TRACE_ALLOCS 10000u

/* The next number of the trace (Knuth's MMIX generator, its upper 31 bits). */
static inline u32 trace_next(u64 *x)
{
    *x = *x * 6364136223846793005ULL + 1442695040888963407ULL;
    return (u32)(*x >> 33);
}

#define DISTURBED 0xffffffffu /* no sample: something else ran in it */

struct summary {
    u32 n; /* samples, those left out not counted */
    u32 median, p99, max, mean;
};

/* Sorts the samples. None: all zero. */
struct summary summary_of(u32 *samples, u32 n);

/* Is this word in a list "a,b,c"? */
bool list_has(const char *list, const char *word);

#endif
