/*
 * The kernel's one collection of findings about the firmware; see kernel/base/firmware.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/firmware.h"
#include "kernel/base/spinlock.h"

static struct firmware_findings found;
static struct spinlock lock;

void firmware_finding(enum firmware_id id, const char *fmt, ...)
{
    u64 flags = spin_lock_irqsave(&lock);
    va_list ap;

    va_start(ap, fmt);
    firmware_add(&found, id, NULL, fmt, ap);
    va_end(ap);
    spin_unlock_irqrestore(&lock, flags);
}

void firmware_finding_in(enum firmware_id id, const char *table, const char *fmt, ...)
{
    u64 flags = spin_lock_irqsave(&lock);
    va_list ap;

    va_start(ap, fmt);
    firmware_add(&found, id, table, fmt, ap);
    va_end(ap);
    spin_unlock_irqrestore(&lock, flags);
}

const struct firmware_findings *firmware_found(void)
{
    return &found;
}
