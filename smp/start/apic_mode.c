/*
 * The choice of the APIC mode; see apic_mode.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/start/apic_mode.h"

enum apic_mode apic_choose_mode(const struct apic_facts *facts, enum apic_reason *reason)
{
    bool on = (facts->base & APIC_BASE_ENABLE) && (facts->base & APIC_BASE_X2APIC);
    bool high_ids = facts->max_apic_id >= 255;

    if (facts->locked)
        *reason = APIC_LOCKED_ON;
    else if (on)
        *reason = APIC_LEFT_ON;
    else if (high_ids)
        *reason = facts->cpuid_x2apic ? APIC_IDS_NEED_IT : APIC_IDS_LOST;
    else
        *reason = APIC_DEFAULT;
    return *reason == APIC_DEFAULT || *reason == APIC_IDS_LOST ? APIC_MODE_X : APIC_MODE_X2;
}

const char *apic_mode_text(enum apic_reason reason)
{
    static const char *const text[APIC_REASONS] = {
        [APIC_DEFAULT] = "xAPIC",
        [APIC_LEFT_ON] = "x2APIC, left on by firmware",
        [APIC_LOCKED_ON] = "x2APIC, locked by firmware",
        [APIC_IDS_NEED_IT] = "x2APIC, switched on for high ids",
        [APIC_IDS_LOST] = "xAPIC, which cannot reach high ids",
    };

    return text[reason];
}

u32 apic_mode_steps(u64 base, enum apic_mode mode, u64 steps[APIC_MAX_STEPS])
{
    u64 off = base & ~(APIC_BASE_ENABLE | APIC_BASE_X2APIC);
    bool enabled = base & APIC_BASE_ENABLE, x2 = base & APIC_BASE_X2APIC;
    u32 n = 0;

    if (mode == APIC_MODE_X2) {
        if (!enabled)
            steps[n++] = off | APIC_BASE_ENABLE;
        if (!enabled || !x2)
            steps[n++] = off | APIC_BASE_ENABLE | APIC_BASE_X2APIC;
        return n;
    }
    if (enabled && x2)
        steps[n++] = off;
    if (!enabled || x2)
        steps[n++] = off | APIC_BASE_ENABLE;
    return n;
}

u32 apic_own_id(u64 base, u32 xapic_reg, u32 x2apic_id, u32 cpuid_id)
{
    if (!(base & APIC_BASE_ENABLE))
        return cpuid_id;
    if (base & APIC_BASE_X2APIC)
        return x2apic_id;
    return xapic_reg == ~0u ? cpuid_id : xapic_reg >> 24;
}
