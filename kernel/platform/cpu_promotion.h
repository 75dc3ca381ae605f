/*
 * Whether full 2 MiB ranges of per-CPU chunks may be turned into 2 MiB leaves on this machine: the
 * command line's word and the CPU's errata. Asked once, at boot; the CPUs of one machine are of one
 * family.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_CPU_PROMOTION_H
#define PERCH_PLATFORM_CPU_PROMOTION_H

#include "kernel/base/types.h"

/* enabled: percpu_promote=. Says in a line why not, where the CPU decides. Any CPU. */
bool cpu_promotion_allowed(bool enabled);

#endif
