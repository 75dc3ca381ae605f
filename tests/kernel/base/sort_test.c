/*
 * The sort: every small size, a large array, and equal keys.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include "kernel/base/ktest.h"
#include "kernel/base/sort.h"

struct item {
    u32 key;
    u8 tag[5];
};

static int by_key(const void *a, const void *b, void *ctx)
{
    const struct item *x = a, *y = b;

    (*(u64 *)ctx)++;
    return x->key < y->key ? -1 : x->key > y->key;
}

static void check(size_t n, u32 range)
{
    struct item *v = calloc(n + 1, sizeof(*v));
    u64 compares = 0, sum = 0, after = 0;
    bool ordered = true, intact = true;

    for (size_t i = 0; i < n; i++) {
        v[i].key = range ? (u32)rand() % range : (u32)(n - i);
        v[i].tag[4] = (u8)v[i].key;
        sum += v[i].key;
    }
    sort(v, n, sizeof(*v), by_key, &compares);
    for (size_t i = 0; i < n; i++) {
        ordered &= i == 0 || v[i - 1].key <= v[i].key;
        intact &= v[i].tag[4] == (u8)v[i].key;
        after += v[i].key;
    }
    EXPECT_TRUE(ordered);
    EXPECT_TRUE(intact);
    EXPECT_EQ(sum, after);
    EXPECT_LE(compares, 3 * n * 12);
    free(v);
}

KTEST(sort, every_small_size)
{
    srand(1);
    for (size_t n = 0; n < 70; n++) {
        check(n, 3);
        check(n, 1000);
        check(n, 0);
    }
}

KTEST(sort, large_and_equal)
{
    check(4000, 1);
    check(4000, 1u << 30);
    check(4000, 0);
}
