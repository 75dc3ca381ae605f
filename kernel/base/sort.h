/*
 * Sorting in place with a bounded stack and bounded time: heap sort, n log n in the worst case too,
 * because what is sorted often comes from firmware. Not stable: compare() breaks ties by itself
 * where that matters.
 * Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_SORT_H
#define PERCH_BASE_SORT_H

#include "kernel/base/types.h"

/* Less than 0, 0, more than 0 as a sorts before, with or after b. */
typedef int (*sort_compare)(const void *a, const void *b, void *ctx);

/* Elements that begin with a u64, by that. */
int sort_compare_u64(const void *a, const void *b, void *ctx);

/* Sorts n elements of `size` bytes; ctx is handed to compare. */
void sort(void *base, size_t n, size_t size, sort_compare compare, void *ctx);

#endif
