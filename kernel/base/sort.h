/*
 * Sorting in place. The stack is bounded and the time is n log n in the worst case too, because
 * many tables come from firmware. Not stable: where the order of equals matters, compare() must
 * break ties.
 * Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_SORT_H
#define PERCH_BASE_SORT_H

#include "kernel/base/types.h"

/* Below 0: a sorts before b. 0: they are equal. Above 0: a sorts after b. */
typedef int (*sort_compare)(const void *a, const void *b, void *ctx);

/* The order of two numbers, for a sort_compare; `?:` between two calls adds a second key. */
static inline int sort_order(u64 a, u64 b)
{
    return a < b ? -1 : a > b;
}

/*
 * Binary search: the least i below count for which the expression `holds` is true, else count.
 * Where it is true for one i, it must be true for every larger one. O(log count).
 */
#define FIRST_WHERE(i, count, holds)                                                               \
    ({                                                                                             \
        u32 lo_ = 0, hi_ = (count);                                                                \
        while (lo_ < hi_) {                                                                        \
            u32 i = lo_ + (hi_ - lo_) / 2;                                                         \
            if (holds)                                                                             \
                hi_ = i;                                                                           \
            else                                                                                   \
                lo_ = i + 1;                                                                       \
        }                                                                                          \
        lo_;                                                                                       \
    })

/* Compares the u64 that each element begins with. */
int sort_compare_u64(const void *a, const void *b, void *ctx);

/* Sorts n elements of `size` bytes; compare gets ctx. */
void sort(void *base, size_t n, size_t size, sort_compare compare, void *ctx);

#endif
