/*
 * The choice between xAPIC and x2APIC, and the way from any state to either.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "kernel/base/ktest.h"
#include "smp/start/apic_mode.h"

#define OFF   (0xfee00000ULL | APIC_BASE_BSP)
#define X_ON  (OFF | APIC_BASE_ENABLE)
#define X2_ON (X_ON | APIC_BASE_X2APIC)

struct mode_case {
    struct apic_facts facts; /* base, cpuid_x2apic, locked, max_apic_id */
    enum apic_mode mode;
    enum apic_reason reason;
};

KTEST(apic_mode, table)
{
    static const struct mode_case cases[] = {
        {{X_ON, true, false, 7}, APIC_MODE_X, APIC_DEFAULT},
        {{X_ON, true, false, 254}, APIC_MODE_X, APIC_DEFAULT},
        {{X_ON, true, false, 255}, APIC_MODE_X2, APIC_IDS_NEED_IT},
        {{X_ON, true, false, 100000}, APIC_MODE_X2, APIC_IDS_NEED_IT},
        {{X_ON, false, false, 300}, APIC_MODE_X, APIC_IDS_LOST},
        {{X2_ON, true, false, 7}, APIC_MODE_X2, APIC_LEFT_ON},
        {{X2_ON, true, false, 300}, APIC_MODE_X2, APIC_LEFT_ON},
        {{X2_ON, false, false, 7}, APIC_MODE_X2, APIC_LEFT_ON}, /* a hypervisor that hides it */
        {{X2_ON, true, true, 7}, APIC_MODE_X2, APIC_LOCKED_ON},
        {{OFF, true, false, 7}, APIC_MODE_X, APIC_DEFAULT},
        {{OFF, true, false, 4095}, APIC_MODE_X2, APIC_IDS_NEED_IT},
    };

    for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct mode_case *c = &cases[i];
        enum apic_reason reason;

        EXPECT_EQ(apic_choose_mode(&c->facts, &reason), c->mode);
        EXPECT_EQ(reason, c->reason);
        EXPECT_TRUE((strncmp(apic_mode_text(reason), "x2APIC", 6) == 0) ==
                    (c->mode == APIC_MODE_X2));
    }
}

/* IA32_APIC_BASE as a CPU treats it (SDM vol. 3, table 11-5 and figure 11-27). */
static bool write_faults(u64 now, u64 next, bool locked)
{
    bool enabled = now & APIC_BASE_ENABLE, x2 = now & APIC_BASE_X2APIC;
    bool to_enabled = next & APIC_BASE_ENABLE, to_x2 = next & APIC_BASE_X2APIC;

    if (to_x2 && !to_enabled)
        return true; /* no such state */
    if (!enabled && to_x2)
        return true; /* not without xAPIC between */
    if (x2 && to_enabled && !to_x2)
        return true; /* only by disabled */
    return locked && x2 && !to_x2;
}

KTEST(apic_mode, every_way_is_allowed)
{
    static const u64 bases[] = {OFF, X_ON, X2_ON};

    for (u32 i = 0; i < ARRAY_SIZE(bases); i++) {
        for (u32 mode = APIC_MODE_X; mode <= APIC_MODE_X2; mode++) {
            u64 steps[APIC_MAX_STEPS], now = bases[i];
            u32 n = apic_mode_steps(now, (enum apic_mode)mode, steps);

            for (u32 k = 0; k < n; k++) {
                EXPECT_FALSE(write_faults(now, steps[k], false));
                now = steps[k];
            }
            EXPECT_EQ(now, mode == APIC_MODE_X2 ? X2_ON : X_ON);
            EXPECT_TRUE(n > 0 || now == bases[i]);
        }
    }
}

/* What is locked is never left: no step at all from what it is in. */
KTEST(apic_mode, locked_stays)
{
    struct apic_facts facts = {X2_ON, true, true, 3};
    enum apic_reason reason;
    u64 steps[APIC_MAX_STEPS];

    EXPECT_EQ(apic_mode_steps(X2_ON, apic_choose_mode(&facts, &reason), steps), 0);
}

KTEST(apic_mode, xapic_reaches_254)
{
    EXPECT_TRUE(apic_id_reachable(APIC_MODE_X, 254));
    EXPECT_FALSE(apic_id_reachable(APIC_MODE_X, 255));
    EXPECT_TRUE(apic_id_reachable(APIC_MODE_X2, 0x12345));
}

/* Firmware may give a CPU another id than its initial one; an INIT to oneself is a reset. */
KTEST(apic_mode, own_id)
{
    u64 on = 0xfee00000 | APIC_BASE_ENABLE | APIC_BASE_BSP, x2 = on | APIC_BASE_X2APIC;

    EXPECT_EQ(apic_own_id(on, 0x08000000, 0, 0), 8);
    EXPECT_EQ(apic_own_id(on, 0, 0, 3), 0);
    EXPECT_EQ(apic_own_id(on, ~0u, 0, 3), 3); /* registers out of reach */
    EXPECT_EQ(apic_own_id(x2, ~0u, 0x1234, 3), 0x1234);
    EXPECT_EQ(apic_own_id(0xfee00000, 0x08000000, 5, 3), 3);                    /* off */
    EXPECT_EQ(apic_own_id(0xfee00000 | APIC_BASE_X2APIC, 0x08000000, 5, 3), 3); /* invalid: off */
}
