/*
 * State behind the hosted twin of cpu_local.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu_local.h"

_Thread_local uintptr_t host_cpu_offset;
_Thread_local u32 host_cpu_number;
_Thread_local bool host_irqs_off;
_Thread_local struct host_cpu *host_cpu_state;
_Thread_local void (*host_interrupt)(void);

uintptr_t __per_cpu_offset[NR_CPUS];
