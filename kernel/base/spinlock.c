/*
 * The panic of a wait without end: in a file of its own, so that spinlock.h does not need the log.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/spinlock.h"

#include "kernel/base/print.h"

void spin_never_ends(const void *what)
{
    panic("CPU %u waits without end for what is at %p", cpu_number(), what);
}
