/*
 * How fast this machine's CPUs are, for cases that count work: on one that emulates each
 * instruction, 20 times slower than usual, as many rounds as elsewhere would take minutes. Promises
 * one answer for the whole run, 1 on every usual machine, real or QEMU's TCG.
 * Context: any CPU; interrupts are off for less than a millisecond at the first call.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_SUITE_SPEED_H
#define PERCH_TESTS_SUITE_SPEED_H

#include "kernel/base/types.h"

/* How many times slower than a usual machine: 1 to SLOWEST. */
#define SLOWEST 16u
u32 suite_slowness(void);

/* Rounds of a case: full on a usual machine, fewer on a slower one, but not fewer than least. */
u32 suite_rounds(u32 full, u32 least);

#endif
