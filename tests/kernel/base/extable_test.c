/*
 * The exception table's search.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/extable.h"
#include "kernel/base/ktest.h"

static const struct extable_entry table[] = {
    {0xffffffff80300010, 0xffffffff80300020},
    {0xffffffff80200000, 0xffffffff80200004},
    {0xffffffff80300000, 0xffffffff80300007},
};

KTEST(extable, finds_each_entry_in_any_order)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        u64 rip = 0;

        EXPECT_TRUE(extable_search(table, ARRAY_SIZE(table), table[i].from, &rip));
        EXPECT_EQ(rip, table[i].to);
    }
}

KTEST(extable, other_addresses_stay_faults)
{
    static const u64 others[] = {0, 0xffffffff80200001, 0xffffffff80300020, ~0ULL};
    u64 rip = 42;

    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        EXPECT_FALSE(extable_search(table, ARRAY_SIZE(table), others[i], &rip));
    EXPECT_FALSE(extable_search(table, 0, table[0].from, &rip));
    EXPECT_FALSE(extable_search(table, 2, table[2].from, &rip));
    EXPECT_EQ(rip, 42);
}
