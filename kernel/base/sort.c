/*
 * Heap sort (Williams, Floyd), sifting down in a loop.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/sort.h"

static void swap(u8 *a, u8 *b, size_t size)
{
    while (size--) {
        u8 t = *a;

        *a++ = *b;
        *b++ = t;
    }
}

/* Restores the heap below `root`, whose children are heaps already. */
static void sift_down(u8 *base, size_t root, size_t n, size_t size, sort_compare compare,
                      void *ctx)
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

void sort(void *base, size_t n, size_t size, sort_compare compare, void *ctx)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(base, i, n, size, compare, ctx);
    for (size_t end = n; end-- > 1;) {
        swap(base, (u8 *)base + end * size, size);
        sift_down(base, 0, end, size, compare, ctx);
    }
}
