/*
 * The choice of the APIC mode; see apic_mode.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/apic_mode.h"

int apic_choose_mode(u64 base, bool cpuid_x2apic, u32 max_apic_id, enum apic_mode *mode)
{
    if (!(base & APIC_BASE_ENABLE))
        return -ENODEV;
    if (base & APIC_BASE_X2APIC)
        *mode = APIC_MODE_X2;
    else
        *mode = max_apic_id >= 255 && cpuid_x2apic ? APIC_MODE_X2 : APIC_MODE_X;
    return 0;
}
