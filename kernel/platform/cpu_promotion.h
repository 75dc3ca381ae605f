/*
 * Whether full 2 MiB ranges of per-CPU chunks may become 2 MiB leaves on this machine: decided by
 * the command line and the CPU's errata. Called once, at boot, for all CPUs: the CPUs of a machine
 * are of one family.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_CPU_PROMOTION_H
#define PERCH_PLATFORM_CPU_PROMOTION_H

#include "kernel/base/types.h"

/* enabled: the value of percpu_promote=. Logs the reason when the CPU forbids it. Any CPU. */
bool cpu_promotion_allowed(bool enabled);

#endif
