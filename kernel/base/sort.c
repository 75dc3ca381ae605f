/*
 * Heap sort (Williams, Floyd). Input in order is only checked, not sorted: most tables are in
 * order, and a heap sort takes longest on them.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/sort.h"

static void swap(u8 *a, u8 *b, size_t size)
{
    for (; size >= sizeof(u64); size -= sizeof(u64), a += sizeof(u64), b += sizeof(u64)) {
        u64 x, y;

        __builtin_memcpy(&x, a, sizeof(x));
        __builtin_memcpy(&y, b, sizeof(y));
        __builtin_memcpy(a, &y, sizeof(y));
        __builtin_memcpy(b, &x, sizeof(x));
    }
    while (size--) {
        u8 t = *a;

        *a++ = *b;
        *b++ = t;
    }
}

/* Restores the heap below `root`, whose children are heaps already. */
static void sift_down(u8 *base, size_t root, size_t n, size_t size, sort_compare compare, void *ctx)
{
    for (;;) {
        size_t child = 2 * root + 1;

        if (child >= n)
            return;
        if (child + 1 < n && compare(base + child * size, base + (child + 1) * size, ctx) < 0)
            child++;
        if (compare(base + root * size, base + child * size, ctx) >= 0)
            return;
        swap(base + root * size, base + child * size, size);
        root = child;
    }
}

static bool in_order(const u8 *base, size_t n, size_t size, sort_compare compare, void *ctx)
{
    for (size_t i = 1; i < n; i++)
        if (compare(base + (i - 1) * size, base + i * size, ctx) > 0)
            return false;
    return true;
}

void sort(void *base, size_t n, size_t size, sort_compare compare, void *ctx)
{
    if (in_order(base, n, size, compare, ctx))
        return;
    for (size_t i = n / 2; i-- > 0;)
        sift_down(base, i, n, size, compare, ctx);
    for (size_t end = n; end-- > 1;) {
        swap(base, (u8 *)base + end * size, size);
        sift_down(base, 0, end, size, compare, ctx);
    }
}

int sort_compare_u64(const void *a, const void *b, void *ctx)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;

    (void)ctx;
    return x < y ? -1 : x > y;
}
