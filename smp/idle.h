/*
 * What a CPU does when it has nothing to do: it halts until an interrupt. No tick wakes it, so an
 * idle machine costs its host nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_IDLE_H
#define PERCH_SMP_IDLE_H

#include "kernel/base/types.h"

/* Serves calls and sleeps, for ever. An online CPU, on its own stack; turns interrupts on. */
void cpu_idle(void) NORETURN;

/* Interrupts off and halted for ever: a CPU that must not run. Any context. */
void cpu_park(void) NORETURN;

#endif
