/*
 * What a wait comes to that never ends; apart from spinlock.h, which needs nothing of the log.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/spinlock.h"

#include "kernel/base/print.h"

void spin_never_ends(const void *what)
{
    panic("CPU %u waits without end for what is at %p", cpu_number(), what);
}
