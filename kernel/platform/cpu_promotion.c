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
    struct cpu_id id = cpu_id_own();

    if (!enabled || cpu_promotion_safe(id.vendor, id.family))
        return enabled;
    pr_info("percpu: 2 MiB leaves are off: %s family 0x%x, erratum 383", id.vendor, id.family);
    return false;
}
