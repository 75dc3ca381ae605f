/*
 * The pure parts of the comparison inside Linux: the trace's numbers, rows of samples, lists.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "tools/linux-module/workloads.h"

/* The check values that Linux was measured with. */
KTEST(linux_module, trace)
{
    u64 x = TRACE_SEED, bytes = 0;
    u32 live = 0, frees = 0;

    for (u32 i = 0; i < TRACE_ALLOCS; i++) {
        bytes += 8 + trace_next(&x) % 505;
        live++;
        if (trace_next(&x) % 100 < 40) {
            trace_next(&x);
            live--;
            frees++;
        }
    }
    EXPECT_EQ(x, 0x97a88d9e762cc1ebULL);
    EXPECT_EQ(bytes, 2578252);
    EXPECT_EQ(frees, 4038);
    EXPECT_EQ(live, 5962);
}

KTEST(linux_module, summary)
{
    u32 v[101];
    struct summary s;

    for (u32 i = 0; i < 100; i++)
        v[i] = (i * 37 + 11) % 100 + 1; /* 1 to 100, mixed */
    v[100] = DISTURBED;
    s = summary_of(v, 101);
    EXPECT_EQ(s.n, 100);
    EXPECT_EQ(s.median, 51);
    EXPECT_EQ(s.p99, 100);
    EXPECT_EQ(s.max, 100);
    EXPECT_EQ(s.mean, 50);
    for (u32 i = 0; i < 100; i++)
        EXPECT_EQ(v[i], i + 1);
}

KTEST(linux_module, summary_of_nothing)
{
    u32 v[2] = {DISTURBED, DISTURBED};

    EXPECT_EQ(summary_of(v, 2).n, 0);
    EXPECT_EQ(summary_of(v, 2).max, 0);
    EXPECT_EQ(summary_of(v, 0).mean, 0);
    v[0] = 7;
    EXPECT_EQ(summary_of(v, 1).median, 7);
}

KTEST(linux_module, list)
{
    EXPECT_TRUE(list_has("pair,trace,fork", "pair"));
    EXPECT_TRUE(list_has("pair,trace,fork", "fork"));
    EXPECT_FALSE(list_has("pair,trace,fork", "for"));
    EXPECT_FALSE(list_has("pairs", "pair"));
    EXPECT_FALSE(list_has("", "pair"));
}
