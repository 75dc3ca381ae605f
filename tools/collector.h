/*
 * The collector of findings (kernel/base/firmware.h) of a program that reads tables in one thread:
 * nobody else must wait. Included by one source file of the program.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TOOLS_COLLECTOR_H
#define PERCH_TOOLS_COLLECTOR_H

#include "kernel/base/firmware.h"

static struct firmware_findings found;

struct firmware_findings *firmware_collector(void)
{
    return &found;
}

u64 firmware_collector_lock(void)
{
    return 0;
}

void firmware_collector_unlock(u64 flags)
{
    (void)flags;
}

#endif
