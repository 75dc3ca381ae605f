/*
 * May page sizes change while CPUs use them? See cpu_promotion.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/cpu_promotion.h"
#include "kernel/base/cpu.h"
#include "kernel/base/cpu_id.h"
#include "kernel/base/print.h"

bool cpu_promotion_allowed(bool enabled)
{
    u32 a, b, c, d, eax1, unused;
    struct cpu_id id;

    cpuid(0, 0, &a, &b, &c, &d);
    cpuid(1, 0, &eax1, &unused, &unused, &unused);
    cpu_id_decode(&id, b, d, c, eax1);
    if (!enabled || cpu_promotion_safe(id.vendor, id.family))
        return enabled;
    pr_info("percpu: 2 MiB leaves are off: %s family 0x%x, erratum 383", id.vendor, id.family);
    return false;
}
