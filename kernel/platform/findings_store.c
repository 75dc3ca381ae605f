/*
 * The kernel's instance of the findings about the firmware; see kernel/base/firmware.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/firmware.h"
#include "kernel/base/spinlock.h"

static struct firmware_findings found;
static struct spinlock lock;

struct firmware_findings *firmware_collector(void)
{
    return &found;
}

u64 firmware_collector_lock(void)
{
    return spin_lock_irqsave(&lock);
}

void firmware_collector_unlock(u64 flags)
{
    spin_unlock_irqrestore(&lock, flags);
}
