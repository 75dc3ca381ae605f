/*
 * The choice between xAPIC and x2APIC.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/app/ktest.h"
#include "smp/apic_mode.h"

#define X_ON  (0xfee00000ULL | APIC_BASE_ENABLE | APIC_BASE_BSP)
#define X2_ON (X_ON | APIC_BASE_X2APIC)

struct mode_case {
    u64 base;
    bool cpuid;
    u32 max_id;
    int err;
    enum apic_mode mode;
};

KTEST(apic_mode, table)
{
    static const struct mode_case cases[] = {
        {X_ON, true, 7, 0, APIC_MODE_X},    {X_ON, true, 254, 0, APIC_MODE_X},
        {X_ON, true, 255, 0, APIC_MODE_X2}, {X_ON, true, 100000, 0, APIC_MODE_X2},
        {X_ON, false, 300, 0, APIC_MODE_X}, {X2_ON, true, 7, 0, APIC_MODE_X2},
        {X2_ON, false, 7, 0, APIC_MODE_X2}, {0xfee00000ULL, true, 7, -ENODEV, APIC_MODE_X},
    };

    for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct mode_case *c = &cases[i];
        enum apic_mode mode = APIC_MODE_X;

        EXPECT_EQ(apic_choose_mode(c->base, c->cpuid, c->max_id, &mode), c->err);
        EXPECT_EQ(mode, c->mode);
    }
}

KTEST(apic_mode, xapic_reaches_254)
{
    EXPECT_TRUE(apic_id_reachable(APIC_MODE_X, 254));
    EXPECT_FALSE(apic_id_reachable(APIC_MODE_X, 255));
    EXPECT_TRUE(apic_id_reachable(APIC_MODE_X2, 0x12345));
}
